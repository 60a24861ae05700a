"""How long the lists of a growing site take: trays, the API and a full receipt, at ten times more studies each time.

Through Django's test client, so without a socket and a second process; what a browser waits for comes on top.
"""

import logging
import os
from collections.abc import Iterator

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.models import Count

from screening.settled import settle
from screening.uploads.models import Upload
from tests.benchmarks.lists import (
    api_questions,
    ask,
    figures,
    reading_questions,
    receipt_questions,
    site_and_client,
    worklist_questions,
)
from tests.benchmarks.multiplying import multiplied
from tests.benchmarks.test_pipeline import say

LARGEST = int(os.environ.get("BENCH_STUDIES", "100000"))
SIZES = (10_000, 100_000, 1_000_000)
SEEDED = 100_000  # beyond, a seeded site is copied: seeding a million takes half an hour
FULL = 19_900  # items, of the 20,000 that an upload may hold
pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(7200), pytest.mark.django_db(transaction=True)]


def sizes() -> Iterator[int]:
    """Give the sizes that are measured, and say which are not."""
    yield from (size for size in SIZES if size <= LARGEST)
    if left_out := [size for size in SIZES if size > LARGEST]:
        say(figure="lists_left_out", sizes=left_out, why=f"BENCH_STUDIES={LARGEST}")


def grow_to(size: int) -> None:
    """Bring the demo site to so many studies."""
    call_command("seed_demo", "--studies", str(min(size, SEEDED)))
    multiplied(max(0, size // SEEDED - 1))


def settle_tables() -> None:
    """Bring the planner's knowledge up to date, as the engine of a running service does by itself."""
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE" if connection.vendor == "postgresql" else "ANALYZE")


def test_how_long_a_page_of_a_list_takes_as_a_site_grows(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, logger="screening.access")  # who looked at what is no figure
    for size in sizes():
        grow_to(size)
        settle_tables()
        settle()  # as a web process does once it is loaded
        site, client = site_and_client("Demo")
        about = {"n": size, "engine": connection.vendor, "through": "test client"}
        say(**figures(f"worklist_p95_ms_{size}", ask(client, worklist_questions(site, size)), **about))
        say(**figures(f"to_read_p95_ms_{size}", ask(client, reading_questions(size)), **about))
        say(**figures(f"api_p95_ms_{size}", ask(client, api_questions(site)), **about))
    full = Upload.objects.annotate(offered=Count("items")).filter(offered__gte=FULL).order_by("created_at").first()
    if full is None:
        say(figure="lists_left_out", sizes=["receipt_p95_ms_20000"], why=f"BENCH_STUDIES={LARGEST} fills no upload")
        return
    _, client = site_and_client("Demo")
    about = {"n": full.offered, "engine": connection.vendor, "through": "test client"}
    say(**figures("receipt_p95_ms_20000", ask(client, receipt_questions(full)), **about))
