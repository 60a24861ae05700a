"""Routes of what administrators keep in order."""

from django.urls import path

from screening.housekeeping import model_views

app_name = "housekeeping"
urlpatterns = [
    path("model-versions/", model_views.versions, name="versions"),
    path("model-versions/<uuid:model_id>/", model_views.version, name="version"),
]
