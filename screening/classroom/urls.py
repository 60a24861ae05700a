"""Routes of classes: of who teaches, and of who reads."""

from django.urls import path

from screening.classroom import reader_views, result_views, teacher_views

app_name = "classroom"
urlpatterns = [
    path("classes/", reader_views.home, name="home"),
    path("classes/<uuid:set_id>/", reader_views.overview, name="set"),
    path("classes/<uuid:set_id>/next/", reader_views.following, name="next"),
    path("classes/<uuid:set_id>/cases/<uuid:case_id>/", reader_views.case, name="case"),
    path("classes/<uuid:set_id>/cases/<uuid:case_id>/answer/", reader_views.answer, name="answer"),
    path("classes/<uuid:set_id>/results/", result_views.results, name="results"),
    path("classes/<uuid:set_id>/figures.csv", result_views.figures_table, name="figures_csv"),
    path("classes/<uuid:set_id>/answers.csv", result_views.answers_table, name="answers_csv"),
    path("sites/<uuid:site_id>/classes/", teacher_views.sets, name="sets"),
    path("sites/<uuid:site_id>/classes/make/", teacher_views.make, name="make"),
    path("sites/<uuid:site_id>/classes/<uuid:set_id>/", teacher_views.manage, name="manage"),
    path("sites/<uuid:site_id>/classes/<uuid:set_id>/progress/", teacher_views.progress, name="progress"),
    path("sites/<uuid:site_id>/classes/<uuid:set_id>/labels/", teacher_views.labels, name="labels"),
    path("sites/<uuid:site_id>/classes/<uuid:set_id>/readers/", teacher_views.readers, name="readers"),
    path("sites/<uuid:site_id>/classes/<uuid:set_id>/open/", teacher_views.begin, name="open"),
    path("sites/<uuid:site_id>/classes/<uuid:set_id>/reveal/", teacher_views.reveal, name="reveal"),
    path("sites/<uuid:site_id>/classes/<uuid:set_id>/discard/", teacher_views.discard, name="discard"),
]
