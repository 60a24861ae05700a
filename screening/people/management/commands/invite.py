"""`manage.py invite SITE ROLE`: make a link for a new member."""

from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from screening.audit.actor import Actor
from screening.people.links import invite
from screening.people.management.addresses import add_base_url, address
from screening.users.models import Role, Site


class Command(BaseCommand):
    help = "Print a link with which one person can join a site in a role, within 7 days. No mail is sent."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("site", help="name or id of the site")
        parser.add_argument("role", choices=Role.values)
        add_base_url(parser)

    def handle(self, *_args: Any, **options: Any) -> None:
        made = invite(site=_site(options["site"]), role=Role(options["role"]), actor=Actor.service("command-line"))
        self.stdout.write(f"invitation: {address(options['base_url'], 'invitation', made.secret)}")


def _site(named: str) -> Site:
    site = Site.objects.filter(name=named).first() or _by_id(named)
    if site is None:
        raise CommandError("There is no such site. Make it with `python manage.py create_site NAME`.")
    return site


def _by_id(named: str) -> Site | None:
    try:
        return Site.objects.filter(pk=UUID(named)).first()
    except ValueError:
        return None
