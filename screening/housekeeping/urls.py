"""Routes of what administrators keep in order."""

from django.urls import path

from screening.housekeeping import model_views, retention_views, study_views

app_name = "housekeeping"
urlpatterns = [
    path("model-versions/", model_views.versions, name="versions"),
    path("model-versions/<uuid:model_id>/", model_views.version, name="version"),
    path("sites/<uuid:site_id>/retention/", retention_views.retention, name="retention"),
    path("studies/<uuid:study_id>/delete/", study_views.delete, name="study_delete"),
]
