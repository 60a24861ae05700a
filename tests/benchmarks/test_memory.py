"""Whether a worker that has screened twenty thousand pictures holds more memory than after two thousand."""

import os
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from django.core.management import call_command

from screening.results.models import Explanation, ExplanationState, Screening, ScreeningState
from tests.benchmarks.measuring import another, say
from tests.benchmarks.sending import radiographs
from tests.benchmarks.service import PATIENCE, service
from tests.shipped import bundle_of
from tests.workers.processes import Process, until

PICTURES = int(os.environ.get("BENCH_LONG", "20000"))
SETTLED = PICTURES // 10  # of them, after which memory is expected to stay as it is
AT_ONCE = SETTLED  # pictures of one upload
SOURCES = 1000
pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(3600), pytest.mark.django_db(transaction=True)]


def test_how_much_more_memory_workers_hold_after_many_pictures(
    real_pictures: Path, broker: str, child_environment: Callable[..., dict[str, str]], tmp_path: Path
) -> None:
    call_command("register_model", str(bundle_of("xray-covid-3class")))
    sources = radiographs(real_pictures, SOURCES)
    held: list[dict[str, float]] = []
    drawn = Explanation.objects.filter(state=ExplanationState.DRAWN)
    with service(child_environment, tmp_path) as running:
        for start in range(0, PICTURES, AT_ONCE):
            numbers = range(start, start + AT_ONCE)
            files = [another(sources[number % SOURCES], 1 + number // SOURCES) for number in numbers]
            running.finish(running.send(files))
            until(drawn.exists, PATIENCE, f"no heat map:\n{running.tails()}")  # what draws them is loaded for the first
            held.append({worker.name: mebibytes(worker) for worker in (running.ingest, running.inference)})

    growth = {name: held[-1][name] - held[0][name] for name in held[0]}
    worst = max(growth, key=growth.__getitem__)
    say("growth_mb", growth[worst] * 1.048576, "MB", PICTURES, process=worst, after=SETTLED, mebibytes=held)
    assert Screening.objects.exclude(state__in=(ScreeningState.SCORED, ScreeningState.INCONCLUSIVE)).count() == 0


def mebibytes(worker: Process) -> float:
    """Give what one process holds for itself. Its decoders live for some hundred files, and are left out."""
    return float(psutil.Process(worker.pid).memory_info().rss) / 1024**2
