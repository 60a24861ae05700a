from django.apps import AppConfig


class FlowsConfig(AppConfig):
    name = "screening.flows"
    label = "flows"
