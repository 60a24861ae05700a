from django.apps import AppConfig


class StudiesConfig(AppConfig):
    name = "screening.studies"
    label = "studies"
