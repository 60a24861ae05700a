from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser

from ml.models.bundle import list_bundles


class Command(BaseCommand):
    """One process for three commands: starting Python and Django takes longer than most of them."""

    help = "Bring database, models and first administrator up to this version; print a one-time sign-in link."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--base-url", required=True, metavar="URL", help="where the link leads")

    def handle(self, *, base_url: str, **_: Any) -> None:
        call_command("migrate", interactive=False, stdout=self.stderr)
        bundles = list_bundles(settings.CONFIG.model_root)
        if bundles:
            call_command("register_model", *map(str, bundles), stdout=self.stderr)
        call_command("bootstrap", link=True, base_url=base_url, stdout=self.stdout)
