"""Workers whose clocks are two hours ahead, two hours behind, and stepping between the two: leases do not notice.

FAULT_CLOCK_IMAGES pictures; one worker of each kind ahead, one behind, and one of each that is killed on the way.
"""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.db import connection

from screening import leasing
from screening.results.models import Screening
from screening.uploads.models import Item
from tests.faketime import time_of_day
from tests.faults.service import (
    counts,
    finished,
    noop_model,
    say,
    screened,
    send_radiographs,
    service_of,
    strike_at,
)
from tests.workers.processes import Process, until

IMAGES = int(os.environ.get("FAULT_CLOCK_IMAGES", "600"))
STEP_SECONDS = 2.0
LEASE_SECONDS = 15  # as installed: on a busy machine a shorter one ends before its renewal has its turn to write
SET = {"FAULT_SLEEP": "select", "LEASE_SECONDS": str(LEASE_SECONDS)}
Build = Callable[..., dict[str, str]]
pytestmark = [pytest.mark.campaign, pytest.mark.django_db(transaction=True), pytest.mark.timeout(1800)]


@contextmanager
def stepping(file: Path) -> Iterator[None]:
    """Set a clock back and forth until the body ends."""
    done = threading.Event()

    def step() -> None:
        ahead = True
        while not done.wait(STEP_SECONDS):
            ahead = not ahead
            fresh = file.with_suffix(".new")
            fresh.write_text("+2h\n" if ahead else "-2h\n")
            fresh.replace(file)

    file.write_text("+2h\n")
    thread = threading.Thread(target=step)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def longest_lease() -> float:
    """Seconds that the lease furthest from its end still has to run."""
    now = leasing.right_now()
    ends = [
        end
        for model in (Item, Screening)
        for end in leasing.rows_of(model).exclude(lease_until=None).values_list("lease_until", flat=True)
    ]
    return max(((end - now).total_seconds() for end in ends), default=0.0)


def test_clocks_that_are_wrong_or_step_end_no_lease_early_or_late(child_environment: Build, tmp_path: Path) -> None:
    noop_model()
    upload = send_radiographs(IMAGES)
    clock, furthest = tmp_path / "clock", 0.0
    with (
        stepping(clock),
        service_of(child_environment, tmp_path, FAULT_NOOP="0.01", BATCH_SIZE="16", **SET) as service,
    ):
        off = {"ahead": time_of_day("+2h"), "behind": time_of_day("-2h"), "steps": time_of_day(file=clock)}
        crowd = {(kind, how): service.process(kind, **off[how]) for kind in ("ingest", "inference") for how in off}
        service.reconciler = service.process("reconciler", **off["steps"])
        for process in (*crowd.values(), service.reconciler):
            process.start()
        for process in crowd.values():
            process.wait_for_beat()

        def kill(doomed: Process) -> None:
            nonlocal furthest
            furthest = max(furthest, longest_lease())
            doomed.kill()

        doomed = [crowd[kind, how] for how in ("ahead", "behind") for kind in ("inference",)]
        strikes = iter(doomed)
        marks = [IMAGES // 4, IMAGES // 2]
        strike_at(lambda: screened(upload), marks, lambda: kill(next(strikes)), 600)
        until(lambda: finished(upload), 600, f"not finished:\n{service.tails()}", every=0.1)
        lost_leases = sum(process.log.read_text().count("lease_lost") for process in crowd.values())

    found = counts(upload, IMAGES)
    rows = Screening.objects.filter(upload=upload)
    again = rows.filter(attempts__gt=1).count()
    say(
        figure="clocks_two_hours_off",
        database=connection.vendor,
        killed=len(doomed),
        computed_again=again,
        lost_leases=lost_leases,
        furthest_lease_s=round(furthest, 1),
        **found,
    )
    assert (found["lost"], found["quarantined"], found["waiting"], found["violations"]) == (0, 0, 0, {})
    assert lost_leases == 0  # none was taken from a worker that lives
    assert furthest <= LEASE_SECONDS
    assert again <= 2 * 3 * 16  # what the two that died had in their hands
