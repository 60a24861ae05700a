"""A disk that takes half a second for every sync, below workers and reconciler: slower, and nothing is done twice.

FAULT_SLOW_IMAGES pictures, FAULT_SLOW_SECONDS for a sync; leases are as installed.
"""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from django.db import connection

from screening.results.models import Screening
from tests.faults.service import (
    counts,
    noop_model,
    say,
    send_radiographs,
    service_of,
    tries,
    wait_until_finished,
)
from tests.slow_disk import slow_disk

IMAGES = int(os.environ.get("FAULT_SLOW_IMAGES", "120"))
SECONDS = float(os.environ.get("FAULT_SLOW_SECONDS", "0.5"))
LEASE_SECONDS = 15  # as installed
HANDS = 3  # that keep pictures at the same time: two, and one for urgent ones
Build = Callable[..., dict[str, str]]
pytestmark = [pytest.mark.campaign, pytest.mark.django_db(transaction=True), pytest.mark.timeout(1800)]


def test_a_slow_disk_ends_no_lease_and_has_nothing_done_twice(child_environment: Build, tmp_path: Path) -> None:
    noop_model()
    upload = send_radiographs(IMAGES)
    slow = slow_disk(SECONDS) | {"LEASE_SECONDS": str(LEASE_SECONDS)}
    with service_of(child_environment, tmp_path, FAULT_NOOP="0.01", BATCH_SIZE="16", **slow) as service:
        service.start()
        took = wait_until_finished(service, upload, 1200)
        lost_leases = sum(process.log.read_text().count("lease_lost") for process in service.processes)

    found, tried = counts(upload, IMAGES), tries()
    again = Screening.objects.filter(upload=upload, attempts__gt=1).count()
    say(
        figure="slow_disk",
        database=connection.vendor,
        sync_s=SECONDS,
        seconds=round(took, 1),
        computed_again=again,
        lost_leases=lost_leases,
        **tried,
        **found,
    )
    assert took > IMAGES * SECONDS / HANDS  # the disk was slow: each picture is synced before its row is written
    assert (found["lost"], found["quarantined"], found["waiting"], found["violations"]) == (0, 0, 0, {})
    assert (lost_leases, again, tried["deaths"]) == (0, 0, 0)
