"""Routes of numbers and of what is decided by them."""

from django.urls import path

from screening.numbers import number_views, point_views, replay_views, worth_views

app_name = "numbers"
urlpatterns = [
    path("sites/<uuid:site_id>/upgrades/", replay_views.upgrades, name="upgrades"),
    path("sites/<uuid:site_id>/upgrades/begin/", replay_views.begin, name="replay_begin"),
    path("sites/<uuid:site_id>/upgrades/<uuid:replay_id>/", replay_views.replay, name="replay"),
    path("sites/<uuid:site_id>/upgrades/<uuid:replay_id>/switch/", replay_views.switch_over, name="replay_switch"),
    path("sites/<uuid:site_id>/upgrades/<uuid:replay_id>/close/", replay_views.close, name="replay_close"),
    path("numbers/", number_views.home, name="home"),
    path("sites/<uuid:site_id>/numbers/", number_views.numbers, name="numbers"),
    path("sites/<uuid:site_id>/numbers.csv", number_views.table, name="table"),
    path("sites/<uuid:site_id>/thresholds/", point_views.thresholds, name="thresholds"),
    path("sites/<uuid:site_id>/thresholds/propose/", point_views.propose, name="propose"),
    path("sites/<uuid:site_id>/thresholds/<uuid:proposal_id>/approve/", point_views.approve, name="approve"),
    path("sites/<uuid:site_id>/thresholds/<uuid:proposal_id>/decline/", point_views.decline, name="decline"),
    path("sites/<uuid:site_id>/reflagging/", point_views.reflag_start, name="reflag_start"),
    path("sites/<uuid:site_id>/reflagging/<uuid:reflagging_id>/", point_views.reflag_next, name="reflag_next"),
    path("studies/<uuid:study_id>/worth/<uuid:model_id>/", worth_views.worth, name="worth"),
]
