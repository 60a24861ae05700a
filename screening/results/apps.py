from django.apps import AppConfig


class ResultsConfig(AppConfig):
    name = "screening.results"
    label = "results"
