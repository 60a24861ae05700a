from django.apps import AppConfig


class PeopleConfig(AppConfig):
    name = "screening.people"
    label = "people"
