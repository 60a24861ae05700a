"""`manage.py bootstrap [--link]`: make an installation usable by its first administrator."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from screening.people.entry import bootstrap
from screening.people.links import make_sign_in_link
from screening.people.management.addresses import add_base_url, address


class Command(BaseCommand):
    help = "Make the first site and its administrator, if there are none. Safe to run at every start."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--link", action="store_true", help="print a one-time sign-in link for the first administrator"
        )
        add_base_url(parser)

    def handle(self, *_args: Any, **options: Any) -> None:
        admin = bootstrap(site_name=settings.CONFIG.site_name)
        if options["link"]:
            made = make_sign_in_link(user=admin)
            self.stdout.write(f"sign-in: {address(options['base_url'], 'enter', made.secret)}")
