"""The disk fills while pictures are sent and screened, stays full for several leases, and has room again.

`python -m tests.faults.small_disk [--database] make faults ARGS="-k fills"` gives the disk; FAULT_FULL_SECONDS says how
long it stays full, FAULT_FULL_IMAGES how many pictures are on their way.
"""

import os
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from screening.uploads.models import Item, ItemState, Upload
from tests.faults.service import (
    Service,
    counts,
    finished,
    noop_model,
    say,
    screened,
    send_radiographs,
    service_of,
    tries,
)
from tests.faults.small_disk import filled
from tests.faults.web import Web, under_way
from tests.workers.processes import until

DISK = os.environ.get("TEST_SMALL_DISK", "")
SECONDS = float(os.environ.get("FAULT_FULL_SECONDS", "20"))
IMAGES = int(os.environ.get("FAULT_FULL_IMAGES", "200"))
Build = Callable[..., dict[str, str]]
pytestmark = [
    pytest.mark.campaign,
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(1800),
    pytest.mark.skipif(not DISK, reason="needs a disk to fill: python -m tests.faults.small_disk COMMAND"),
]


def send_while_full(web: Web, told: Counter[str]) -> None:
    """Ask for a large upload, and note how each step was answered."""
    with httpx.Client(base_url=web.url, headers={"Authorization": f"Token {web.token}"}, timeout=60) as http:
        answers = [http.get("/api/v1/uploads/"), http.post("/api/v1/uploads/", json={"name": "while full"})]
        if answers[1].status_code == 201:  # a row may still find room where another went
            files = [{"path": f"{n}.dcm", "size": 9, "sha256": f"{n:064x}"} for n in range(1000)]
            answers.append(http.post(f"/api/v1/uploads/{answers[1].json()['id']}/check/", json={"files": files}))
    for answer in answers:
        body = answer.json()
        told[f"{answer.request.method} {answer.status_code} {body.get('code', '') if answer.is_error else ''}"] += 1
        if answer.status_code in {503, 507}:
            assert int(answer.headers["Retry-After"]) > 0


def end_what_failed(web: Web, upload: Upload) -> int:
    """Try again, as a person would, what a worker found no room for outside the database. How many files."""
    failed = Item.objects.filter(upload=upload, state=ItemState.FAILED)
    found = Counter(failed.values_list("code", flat=True))
    assert set(found) <= {"storage_full"}
    if found:
        with httpx.Client(base_url=web.url, headers={"Authorization": f"Token {web.token}"}) as http:
            assert http.post(f"/api/v1/uploads/{upload.pk}/retry/").status_code in {200, 202}
    return found.total()


def hold_full(service: Service, web: Web, upload: Upload) -> Counter[str]:
    told: Counter[str] = Counter()
    with filled(Path(DISK)):
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            send_while_full(web, told)
            time.sleep(0.5)
        dead = [process.name for process in service.processes if not process.alive()]
        assert dead == [], service.tails()
    return told


def test_while_the_disk_fills_nothing_is_lost_or_counted_and_all_goes_on_once_there_is_room(
    child_environment: Build, tmp_path: Path
) -> None:
    noop_model()
    with service_of(child_environment, tmp_path, FAULT_NOOP="0.02", BATCH_SIZE="8") as service:
        web, upload = under_way(service, child_environment, tmp_path, IMAGES)
        told = hold_full(service, web, upload)
        freed = time.monotonic()
        before = screened(upload)
        on_again = lambda: finished(upload) or screened(upload) > before  # noqa: E731 - files may all have been refused
        until(on_again, 120, f"does not go on:\n{service.tails()}")
        on = time.monotonic() - freed
        settled = lambda: finished(upload) or not Item.objects.filter(upload=upload, state="received").exists()  # noqa: E731
        until(settled, 300, f"not ingested:\n{service.tails()}")
        again = end_what_failed(web, upload)
        until(lambda: finished(upload), 300, f"not finished:\n{service.tails()}", every=0.1)

        later = send_radiographs(3)
        until(lambda: finished(later), 120, f"not finished:\n{service.tails()}")

    found, tried = counts(upload, IMAGES), tries()
    say(figure="disk_full", seconds=SECONDS, answers=told, tried_again=again, on_again_s=round(on, 1), **tried, **found)

    assert {key for key in told if not key.endswith(" ")} <= {"POST 503 database_full", "POST 503 busy"}
    assert told["POST 503 database_full"] > 0
    assert not [key for key in told if key.startswith("GET") and not key.startswith("GET 200")]
    assert (found["lost"], found["quarantined"], found["waiting"], found["violations"]) == (0, 0, 0, {})
    assert (tried["attempts"], tried["alone"], tried["deaths"]) == (1, 0, 0)
