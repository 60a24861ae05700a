from django.apps import AppConfig


class UsersConfig(AppConfig):
    name = "screening.users"
    label = "users"
