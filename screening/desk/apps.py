from django.apps import AppConfig


class DeskConfig(AppConfig):
    name = "screening.desk"
    label = "desk"
