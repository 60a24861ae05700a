from django.apps import AppConfig


class ApiConfig(AppConfig):
    name = "screening.api"
    label = "api"
