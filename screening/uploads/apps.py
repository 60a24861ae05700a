from django.apps import AppConfig


class UploadsConfig(AppConfig):
    name = "screening.uploads"
    label = "uploads"
