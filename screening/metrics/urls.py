"""The route of whoever watches the service."""

from django.urls import URLPattern, path

from screening.metrics import views

urlpatterns: list[URLPattern] = [path("metrics", views.metrics, name="metrics")]
