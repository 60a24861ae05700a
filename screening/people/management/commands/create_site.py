"""`manage.py create_site NAME`: make a tenant."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from screening.audit.actor import Actor
from screening.people.members import create_site
from screening.users.models import Site

LONGEST_NAME = 120  # as Site.name


class Command(BaseCommand):
    help = "Make a site: a hospital, a ward or a class. Then invite its first administrator."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name")

    def handle(self, *_args: Any, **options: Any) -> None:
        name = options["name"].strip()
        if not name or len(name) > LONGEST_NAME:
            raise CommandError(f"A site's name has 1 to {LONGEST_NAME} characters.")
        if Site.objects.filter(name=name).exists():
            raise CommandError(f"A site named {name!r} exists already.")
        site = create_site(name=name, actor=Actor.service("command-line"))
        self.stdout.write(f"site: {site.pk}\nnext: python manage.py invite {site.pk} admin")
