"""The disk under the log of PostgreSQL fills: the database ends itself, and is started once there is room.

`python -m tests.faults.small_disk --log python -m tests.faults.database make faults ARGS="-k log_has_no_room"` gives
disk and cluster, FAULT_FULL_SECONDS says how long the disk stays full. Until then nobody can write or read.
"""

import os
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import httpx
import psycopg
import pytest
from django.db import connections

from tests.conftest import database_url_of_tests
from tests.faults.database import control, patient
from tests.faults.service import counts, finished, noop_model, say, screened, service_of, tries
from tests.faults.small_disk import filled
from tests.faults.web import Web, under_way
from tests.workers.processes import until

DISK, DATA = os.environ.get("TEST_SMALL_LOG", ""), os.environ.get("TEST_POSTGRES_DATA", "")
SECONDS = float(os.environ.get("FAULT_FULL_SECONDS", "20"))
IMAGES = 200
SEGMENTS = 200  # more than the disk has room for
Build = Callable[..., dict[str, str]]
pytestmark = [
    pytest.mark.campaign,
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(1800),
    pytest.mark.skipif(
        not (DISK and DATA),
        reason="needs a PostgreSQL and a disk of its own: "
        "python -m tests.faults.small_disk --log python -m tests.faults.database COMMAND",
    ),
]


def use_up_the_log() -> None:
    """Begin one segment after the other: those that lie ready are used up, and for the next there is no room."""
    with psycopg.connect(database_url_of_tests(), autocommit=True) as link, suppress(psycopg.OperationalError):
        for _ in range(SEGMENTS):
            link.execute("SELECT pg_logical_emit_message(true, 'ballast', repeat('x', 1000))")
            link.execute("SELECT pg_switch_wal()")


def ask(web: Web, told: Counter[str]) -> None:
    with httpx.Client(base_url=web.url, headers={"Authorization": f"Token {web.token}"}, timeout=60) as http:
        for answer in (http.get("/api/v1/uploads/"), http.post("/api/v1/uploads/", json={"name": "while full"})):
            told[f"{answer.request.method} {answer.status_code} {answer.json().get('code', '')}"] += 1
            told["without Retry-After"] += not int(answer.headers.get("Retry-After", "0")) > 0


def runs() -> bool:
    try:
        control(DATA, "status")
    except subprocess.CalledProcessError:
        return False
    return True


def test_while_the_log_has_no_room_nothing_is_lost_or_counted_and_all_goes_on_once_it_has(
    child_environment: Build, tmp_path: Path
) -> None:
    noop_model()
    told: Counter[str] = Counter()
    with service_of(child_environment, tmp_path, FAULT_NOOP="0.02", BATCH_SIZE="8") as service:
        web, upload = under_way(service, child_environment, tmp_path, IMAGES)
        before = screened(upload)
        with filled(Path(DISK)):
            use_up_the_log()
            end = time.monotonic() + SECONDS
            while time.monotonic() < end:
                ask(web, told)
                time.sleep(0.5)
            ended = not runs()
        dead = [process.name for process in service.processes if not process.alive()]
        connections.close_all()
        control(DATA, "start" if ended else "restart")
        freed = time.monotonic()
        until(lambda: patient(lambda: screened(upload), before) > before, 120, f"does not go on:\n{service.tails()}")
        on = time.monotonic() - freed
        until(lambda: patient(lambda: finished(upload), False), 300, f"not finished:\n{service.tails()}", every=0.1)

    found, tried = counts(upload, IMAGES), tries()
    say(figure="log_full", seconds=SECONDS, answers=told, ended=ended, on_again_s=round(on, 1), **tried, **found)
    assert dead == []
    assert ended, "the log found room"
    assert told
    assert told.pop("without Retry-After") == 0
    assert not [key for key in told if " 503 " not in key]
    assert (found["lost"], found["quarantined"], found["waiting"], found["violations"]) == (0, 0, 0, {})
    assert (tried["attempts"], tried["deaths"]) == (1, 0)
