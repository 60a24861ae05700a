"""Kill, freeze and cut off a working service, and count in the database what came of it.

The small form belongs to every test run; the whole one is `make faults`.
"""

import random
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connections

from ml.models.bundle import list_bundles
from screening.results.models import Screening, ScreeningState
from screening.studies.models import Image
from screening.uploads.models import Upload
from tests.faults.service import (
    Service,
    counts,
    ingested,
    noop_model,
    say,
    screened,
    send_radiographs,
    service_of,
    strike_at,
    wait_until_finished,
)
from tests.workers.processes import until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(1800)]
Build = Callable[..., dict[str, str]]
SEED = 20


def marks(count: int, strikes: int) -> list[int]:
    """Where to strike, drawn from a seed so that every run strikes alike."""
    return sorted(random.Random(SEED).sample(range(1, int(count * 0.9)), strikes))


def campaign(service: Service, upload: Upload, count: int, *, inference: int, ingest: int, patience: float) -> None:
    """Strike ingest and inference while both work, and lose the broker in the middle."""

    def strike_ingest() -> None:
        try:
            strike_at(
                lambda: ingested(upload),
                marks(count, ingest),
                lambda: service.kill_and_restart(service.ingest),
                patience,
            )
        finally:
            connections.close_all()

    striker = threading.Thread(target=strike_ingest)
    service.start()
    striker.start()
    at = marks(count, inference)
    strike_at(
        lambda: screened(upload), at[: inference // 2], lambda: service.kill_and_restart(service.inference), patience
    )
    service.lose_the_broker()
    strike_at(
        lambda: screened(upload), at[inference // 2 :], lambda: service.kill_and_restart(service.inference), patience
    )
    striker.join(patience)
    wait_until_finished(service, upload, patience)


def freeze_one_that_has_scored(service: Service) -> Callable[[], None]:
    """Start a second inference worker that stops dead with scores in its hands; how to let it go on."""
    # One hand and no keeper: a thread frozen in a transaction would hold SQLite's one write lock for good.
    zombie = service.process("inference", FAULT="inference.scored:0:freeze", FAULT_UNKEPT="true", TEST_HANDS="1")
    zombie.start()

    def thaw() -> None:
        zombie.signal(signal.SIGCONT)
        until(lambda: went_on(zombie.tail()), 60, f"the frozen worker did not go on:\n{zombie.tail()}")

    until(lambda: _is_stopped(zombie.pid), 120, f"the worker never froze:\n{service.tails()}")
    return thaw


def went_on(log: str) -> bool:
    """Whether a worker that was frozen has tried to commit: it was fenced off, or wrote in spite of it all."""
    return "lease_lost" in log or "wrote_unfenced" in log


def _is_stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


@pytest.fixture
def model() -> None:
    noop_model()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux: reads the state of processes in /proc")
def test_nothing_is_lost_or_doubled_while_workers_are_killed_frozen_and_cut_off(
    model: None, child_environment: Build, tmp_path: Path
) -> None:
    count = 150
    upload = send_radiographs(count)
    with service_of(child_environment, tmp_path, FAULT_NOOP="0.01", BATCH_SIZE="16") as service:
        service.ingest.start()
        thaw = freeze_one_that_has_scored(service)
        service.ingest.kill()
        campaign(service, upload, count, inference=2, ingest=1, patience=600)
        thaw()

    assert counts(upload, count) == {
        "offered": count,
        "accepted": count,
        "lost": 0,
        "quarantined": 0,
        "waiting": 0,
        "violations": {},
    }


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux: reads the state of processes in /proc")
def test_without_the_fence_the_same_frozen_worker_doubles_results_and_the_check_finds_it(
    model: None, child_environment: Build, tmp_path: Path
) -> None:
    count = 30
    upload = send_radiographs(count)
    with service_of(child_environment, tmp_path, FAULT_NOOP="0.01", BATCH_SIZE="16", FAULT_UNFENCED="true") as service:
        service.ingest.start()
        thaw = freeze_one_that_has_scored(service)
        service.inference.start()
        service.reconciler.start()
        wait_until_finished(service, upload, 600)
        thaw()

    assert counts(upload, count)["violations"].get("outcomes", 0) > 0


def test_a_picture_that_kills_the_worker_is_quarantined_alone(
    model: None, child_environment: Build, tmp_path: Path
) -> None:
    count = 12
    upload = send_radiographs(count)
    with service_of(child_environment, tmp_path, FAULT_NOOP="0.001") as first:
        first.ingest.start()
        until(lambda: ingested(upload) == count, 120, first.tails())
    poison = Image.objects.order_by("pk")[5]
    (tmp_path / "second").mkdir()
    with service_of(
        child_environment, tmp_path / "second", FAULT_NOOP="0.001", FAULT_POISON=poison.plane_sha256
    ) as service:
        service.reconciler.start()
        deaths = 0
        while not Upload.objects.get(pk=upload.pk).finished_at:
            if not service.inference.alive():
                deaths += 1
                assert deaths <= 5, service.tails()
                service.inference.start()
            until(
                lambda: not service.inference.alive() or bool(Upload.objects.get(pk=upload.pk).finished_at),
                120,
                service.tails(),
                every=0.1,
            )

    quarantined = Screening.objects.filter(state=ScreeningState.QUARANTINED)
    assert [row.image_id for row in quarantined] == [poison.pk]
    assert Screening.objects.filter(state=ScreeningState.SCORED).count() == count - 1
    assert counts(upload, count)["violations"] == {}


def struck_two_thousand(build: Build, folder: Path, **variables: str) -> dict[str, Any]:
    """Screen 2,000 images while five inference workers and two ingest workers die and the broker is lost."""
    count = 2000
    bundles = [path for path in list_bundles(settings.CONFIG.model_root) if path.parent.name.startswith("xray")]
    call_command("register_model", *bundles)
    upload = send_radiographs(count)
    with service_of(build, folder, **variables) as service:
        service.ingest.start()
        thaw = freeze_one_that_has_scored(service)
        service.ingest.kill()
        campaign(service, upload, count, inference=5, ingest=2, patience=1200)
        thaw()
        starts = {process.name: process.starts for process in (service.ingest, service.inference)}
    found = counts(upload, count)
    say(figure="campaign", **variables, **found, starts=starts)
    return found


@pytest.mark.campaign
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux: reads the state of processes in /proc")
def test_two_thousand_images_outlast_five_dead_inference_workers_two_dead_ingest_workers_and_a_lost_broker(
    child_environment: Build, tmp_path: Path
) -> None:
    found = struck_two_thousand(child_environment, tmp_path)

    assert (found["lost"], found["quarantined"], found["waiting"], found["violations"]) == (0, 0, 0, {})


@pytest.mark.campaign
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux: reads the state of processes in /proc")
def test_the_same_strikes_without_the_fence_double_results(child_environment: Build, tmp_path: Path) -> None:
    found = struck_two_thousand(child_environment, tmp_path, FAULT_UNFENCED="true")

    assert found["violations"].get("outcomes", 0) > 0
