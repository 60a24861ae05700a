"""Routes of the people who read pictures."""

from django.urls import path

from screening.review import heat_views, views
from screening.review.trays import Tray

app_name = "review"
urlpatterns = [
    path("worklist/", views.worklist, {"tray": Tray.FLAGGED}, name="worklist"),
    path("not-assessed/", views.worklist, {"tray": Tray.NOT_ASSESSED}, name="not_assessed"),
    path("not-flagged/", views.worklist, {"tray": Tray.NOT_FLAGGED}, name="not_flagged"),
    path("studies/<uuid:study_id>/", views.study, name="study"),
    path("studies/<uuid:study_id>/answer/", views.answer, name="answer"),
    path("images/<uuid:image_id>/preview/", views.preview, name="preview"),
    path("images/<uuid:image_id>/heat/", heat_views.heat, name="heat"),
    path("heat/<uuid:explanation_id>/raw.png", heat_views.raw, name="heat_raw"),
    path("heat/<uuid:explanation_id>/overlay.jpg", heat_views.overlay, name="heat_overlay"),
    path("models/", views.models, name="models"),
    path("models/<slug:slug>/<str:version>/", views.model, name="model"),
]
