"""Every connection of PostgreSQL is taken: who asks is told at once to come back, workers wait, and nothing is counted.

`MAX_CONNECTIONS=40 python -m tests.faults.database make faults ARGS="-k every_connection"` gives the cluster;
FAULT_TAKEN_SECONDS says how long all are taken.
"""

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psycopg
import pytest
from django.db import connection

from tests.conftest import database_url_of_tests
from tests.faults.service import counts, finished, noop_model, say, screened, service_of, tries
from tests.faults.web import Web, under_way
from tests.workers.processes import until

DATA = os.environ.get("TEST_POSTGRES_DATA", "")
SECONDS = float(os.environ.get("FAULT_TAKEN_SECONDS", "20"))
IMAGES = 200
PATIENCE = 15.0  # seconds in which every request is answered
Build = Callable[..., dict[str, str]]
pytestmark = [
    pytest.mark.campaign,
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(1800),
    pytest.mark.skipif(not DATA, reason="needs a PostgreSQL of its own: python -m tests.faults.database COMMAND"),
]


class Taken:
    """Connections that are held and not used."""

    def __init__(self) -> None:
        self.held: list[psycopg.Connection] = []

    def take_all(self) -> int:
        """End what others have of them and take every one that is free. How many others had since the last time."""
        with connection.cursor() as cursor:
            mine = [*(one.info.backend_pid for one in self.held)]
            cursor.execute(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND pid <> ALL(%s)",
                [mine],
            )
            ended = int(cursor.fetchone()[0])
        while True:
            try:
                self.held.append(psycopg.connect(database_url_of_tests(), connect_timeout=5))
            except psycopg.OperationalError:
                return ended


@contextmanager
def every_connection_taken() -> Iterator[Taken]:
    taken = Taken()
    try:
        for _ in range(20):  # others take what they lost as long as there is one
            if not taken.take_all():
                break
        yield taken
    finally:
        for one in taken.held:
            one.close()


def ask(web: Web, told: Counter[str]) -> float:
    """Ask for what reads and what writes, as programs and as people do. The longest that one took."""
    slowest = 0.0
    with httpx.Client(base_url=web.url, headers={"Authorization": f"Token {web.token}"}, timeout=60) as http:
        for method, place in (("GET", "/api/v1/uploads/"), ("POST", "/api/v1/uploads/"), ("GET", "/readyz")):
            started = time.monotonic()
            answer = http.request(method, place, json={"name": "while taken"} if method == "POST" else None)
            slowest = max(slowest, time.monotonic() - started)
            later = answer.headers.get("Retry-After", "") if place != "/readyz" else ""
            told[f"{method} {place} {answer.status_code} {answer.json().get('code', '')} {later}".strip()] += 1
    return slowest


def test_while_every_connection_is_taken_requests_are_told_so_and_workers_wait(
    child_environment: Build, tmp_path: Path
) -> None:
    noop_model()
    told: Counter[str] = Counter()
    with service_of(child_environment, tmp_path, FAULT_NOOP="0.02", BATCH_SIZE="8") as service:
        web, upload = under_way(service, child_environment, tmp_path, IMAGES)
        slowest, before = 0.0, 0
        with every_connection_taken() as taken:
            before, end = screened(upload), time.monotonic() + SECONDS
            while time.monotonic() < end:
                slowest = max(slowest, ask(web, told))
                time.sleep(0.2)
            assert screened(upload) == before  # nobody found one
            assert not [process.name for process in service.processes if not process.alive()]
            held = len(taken.held)
        freed = time.monotonic()
        until(lambda: screened(upload) > before, 120, f"does not go on:\n{service.tails()}")
        on = round(time.monotonic() - freed, 1)
        until(lambda: finished(upload), 300, f"not finished:\n{service.tails()}", every=0.1)

    found, tried = counts(upload, IMAGES), tries()
    say(figure="connections_taken", seconds=SECONDS, held=held, slowest_s=round(slowest, 2), answers=told)
    say(figure="connections_taken_then", on_again_s=on, **tried, **found)
    assert set(told) == {"GET /api/v1/uploads/ 503 busy 5", "POST /api/v1/uploads/ 503 busy 5", "GET /readyz 503"}
    assert slowest < PATIENCE
    assert (found["lost"], found["quarantined"], found["waiting"], found["violations"]) == (0, 0, 0, {})
    assert (tried["attempts"], tried["alone"], tried["deaths"]) == (1, 0, 0)
