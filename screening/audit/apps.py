from django.apps import AppConfig


class AuditConfig(AppConfig):
    name = "screening.audit"
    label = "audit"
