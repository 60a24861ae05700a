from django.apps import AppConfig


class BackupsConfig(AppConfig):
    name = "screening.backups"
    label = "backups"
