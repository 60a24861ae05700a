"""How long somebody with one picture waits: alone, and beside a long queue."""

import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.management import call_command

from screening.uploads.models import Priority, Upload
from tests.benchmarks.measuring import another, percentile, say
from tests.benchmarks.sending import radiographs
from tests.benchmarks.service import Service, service
from tests.shipped import bundle_of

QUEUED = int(os.environ.get("BENCH_QUEUED", "10000"))  # pictures that wait already
LONE, URGENT = 20, 20
pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(1800), pytest.mark.django_db(transaction=True)]


def milliseconds(running: Service, content: bytes, **options: str) -> float:
    """From the first byte of one picture to its written result."""
    started = time.perf_counter()
    running.finish(running.send([content], **options), every=0.003)
    return (time.perf_counter() - started) * 1000


def alone(running: Service, content: bytes) -> float:
    """The same on a service that has nothing else to do."""
    running.rest()
    return milliseconds(running, content)


def test_how_long_one_picture_takes_alone_and_urgent_beside_a_long_queue(
    real_pictures: Path, broker: str, child_environment: Callable[..., dict[str, str]], tmp_path: Path
) -> None:
    call_command("register_model", str(bundle_of("xray-covid-3class")))
    files = radiographs(real_pictures, 64 + LONE + URGENT)
    queued = [another(files[number % 64], 1 + number // 64) for number in range(QUEUED)]
    with service(child_environment, tmp_path) as running:
        running.finish(running.send(files[:64]))
        lone = [alone(running, content) for content in files[64 : 64 + LONE]]
        running.send(queued)
        urgent = [milliseconds(running, content, priority=Priority.URGENT) for content in files[64 + LONE :]]
        waiting = Upload.objects.exclude(state="finished").exists()

    say("lone_study_ms", statistics.median(lone), "ms", LONE, p95=round(percentile(lone, 95), 1))
    say(
        "urgent_p95_ms",
        percentile(urgent, 95),
        "ms",
        URGENT,
        median=round(statistics.median(urgent), 1),
        queued=QUEUED,
        still_busy_at_the_end=waiting,
    )
