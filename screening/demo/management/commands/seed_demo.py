"""`manage.py seed_demo --studies N`: a site full of drawn rows, for trying the pages and for measuring them."""

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from screening.demo.services import seed_demo
from screening.errors import ScreeningError

WORDS = "No picture lies behind these rows: pages show empty frames, and checks of kept files name every one."


class Command(BaseCommand):
    help = "Fill a site of its own with rows of studies that nobody sent. " + WORDS

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--studies", type=int, required=True, metavar="N", help="how many the site shall hold")
        parser.add_argument("--site", default="Demo", metavar="NAME", help="a site without uploads of anybody's")
        parser.add_argument("--seed", type=int, default=0, help="the same seed draws the same studies")

    def handle(self, *, studies: int, site: str, seed: int, **_options: Any) -> None:
        if studies < 1 or seed < 0:
            raise CommandError("--studies is at least 1 and --seed at least 0.")
        console = Console(file=self.stdout._out, force_terminal=None)  # noqa: SLF001 - the stream under Django's wrapper
        try:
            added, seconds = _seed(console, site.strip(), seed, studies)
        except ScreeningError as refusal:
            raise CommandError(f"{refusal} ({refusal.code})") from refusal
        rate = f", {added / seconds:.0f} a second" if added else ""
        console.print(f"{added} studies added to {site!r} in {seconds:.1f} s{rate}.", highlight=False)
        self.stdout.write(WORDS)
        self.stdout.write("sign in: manage.py bootstrap --link")


def _seed(console: Console, site: str, seed: int, studies: int) -> tuple[int, float]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=not console.is_terminal) as shown:
        blocks = seed_demo(name=site, seed=seed, studies=studies)
        before = held = next(blocks)
        began = time.perf_counter()
        bar = shown.add_task("studies", total=max(studies, held), completed=held)
        for held in blocks:
            shown.update(bar, completed=held)
        seconds = time.perf_counter() - began
    if held > before and connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")  # a planner that thinks the tables empty looks through them
    return held - before, max(seconds, 0.001)
