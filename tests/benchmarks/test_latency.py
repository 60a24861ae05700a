"""How long somebody with one picture waits: alone, and beside a long queue."""

import os
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.core.management import call_command
from django.utils import timezone

from screening.uploads.models import Item, Priority, Upload
from tests.benchmarks.measuring import another, percentile, say
from tests.benchmarks.sending import radiographs
from tests.benchmarks.service import Service, service
from tests.shipped import bundle_of

QUEUED = int(os.environ.get("BENCH_QUEUED", "10000"))  # pictures that wait already
LONE, URGENT = 20, 20
pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(1800), pytest.mark.django_db(transaction=True)]


@dataclass(frozen=True, slots=True)
class Waited:
    """Milliseconds from the first byte of one picture until it was received, read, and its result written."""

    received: float
    read: float
    written: float


def waited(running: Service, content: bytes, **options: str) -> Waited:
    """Send one picture and wait for its result."""
    started = timezone.now()
    upload = running.send([content], **options)
    received = timezone.now()
    running.finish(upload, every=0.003)
    written = timezone.now()
    read = Item.objects.values_list("done_at", flat=True).get(upload=upload)
    moments = (received, read or written, written)
    return Waited(*((moment - started).total_seconds() * 1000 for moment in moments))


def alone(running: Service, content: bytes) -> Waited:
    """The same on a service that has nothing else to do."""
    running.rest()
    return waited(running, content)


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
        urgent = [waited(running, content, priority=Priority.URGENT) for content in files[64 + LONE :]]
        waiting = Upload.objects.exclude(state="finished").exists()

    tell("lone_study_ms", lone, 50, p95=round(percentile([each.written for each in lone], 95), 1))
    tell("urgent_p95_ms", urgent, 95, queued=QUEUED, still_busy_at_the_end=waiting)


def tell(figure: str, all_waited: Sequence[Waited], share: int, **more: object) -> None:
    """Say a percentile of the waits, and the median of each step's end."""
    medians = {
        name: round(statistics.median(getattr(each, name) for each in all_waited), 1)
        for name in ("received", "read", "written")
    }
    say(
        figure, percentile([each.written for each in all_waited], share), "ms", len(all_waited), medians=medians, **more
    )
