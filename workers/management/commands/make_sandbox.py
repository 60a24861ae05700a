"""`manage.py make_sandbox`: a site in which every outcome happens, and a token for it."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from ml.vocabulary import DISCLAIMER
from screening.errors import ScreeningError
from workers.sandbox.making import SANDBOX, TOKEN_DAYS, make_sandbox


class Command(BaseCommand):
    help = "Make a SANDBOX site with drawn phantoms in every outcome, and print a token for it once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--site", default=SANDBOX, metavar="NAME", help="a new site; its name begins with SANDBOX")

    def handle(self, *, site: str, **_options: Any) -> None:
        try:
            made = make_sandbox(site.strip())
        except ScreeningError as refusal:
            raise CommandError(f"{refusal} ({refusal.code})") from refusal
        self.stdout.write(f"site:  {made.site.name} ({made.site.pk})")
        self.stdout.write(f"user:  {made.user.username}, integrator")
        self.stdout.write(f"token: {made.secret}")
        self.stdout.write(f"It is shown only now, ends after {TOKEN_DAYS} days, and may read and upload at this site.")
        self.stdout.write(
            "Original identifiers, for looking up, also told only now (external_id study series instance):"
        )
        for external_id, uids in made.originals().items():
            self.stdout.write(" ".join((external_id, *uids)))
        self.stdout.write(f"Drawn phantoms; a script said the scores. {DISCLAIMER}")
