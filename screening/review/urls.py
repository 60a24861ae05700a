"""Routes of the people who read pictures."""

from django.urls import path

from screening.review import (
    blind_views,
    correcting_views,
    deep_views,
    document_views,
    heat_views,
    reading_views,
    views,
)
from screening.review.blind_lists import BlindList
from screening.review.trays import Tray

app_name = "review"
urlpatterns = [
    path("read/", reading_views.to_read, name="to_read"),
    path("read/next/", reading_views.following, name="next"),
    path("read/peek/", reading_views.peek, name="peek"),
    path("read/news/", reading_views.news, name="news"),
    path("read/today/", reading_views.summary, name="summary"),
    path("studies/<uuid:study_id>/claim/", reading_views.claim, name="claim"),
    path("studies/<uuid:study_id>/release/", reading_views.release, name="release"),
    path("studies/<uuid:study_id>/undo/", reading_views.undo, name="undo"),
    path("studies/<uuid:study_id>/unusable/", views.unusable, name="unusable"),
    path("worklist/", views.worklist, {"tray": Tray.FLAGGED}, name="worklist"),
    path("not-assessed/", views.worklist, {"tray": Tray.NOT_ASSESSED}, name="not_assessed"),
    path("not-flagged/", views.worklist, {"tray": Tray.NOT_FLAGGED}, name="not_flagged"),
    path("blinded/", blind_views.blind_list, {"which": BlindList.BLINDED}, name="blinded"),
    path("second-reads/", blind_views.blind_list, {"which": BlindList.SECOND}, name="second"),
    path("adjudication/", blind_views.blind_list, {"which": BlindList.ADJUDICATION}, name="adjudication"),
    path("studies/<uuid:study_id>/", views.study, name="study"),
    path("studies/<uuid:study_id>/answer/", views.answer, name="answer"),
    path("studies/<uuid:study_id>/documents/", document_views.documents, name="documents"),
    path("images/<uuid:image_id>/preview/", views.preview, name="preview"),
    path("images/<uuid:image_id>/correct/", correcting_views.correct, name="correct"),
    path("images/<uuid:image_id>/deep/", deep_views.deep, name="deep"),
    path("images/<uuid:image_id>/heat/", heat_views.heat, name="heat"),
    path("heat/<uuid:explanation_id>/raw.png", heat_views.raw, name="heat_raw"),
    path("heat/<uuid:explanation_id>/overlay.jpg", heat_views.overlay, name="heat_overlay"),
    path("models/", views.models, name="models"),
    path("models/<slug:slug>/<str:version>/", views.model, name="model"),
]
