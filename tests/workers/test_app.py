"""The worker application itself: what it registers, what it refuses, and how its processes end."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from screening.queue import QUEUE_OF, Call, app
from screening.uploads.models import Item, ItemState, Upload
from screening.uploads.storage import incoming_path
from tests.workers.processes import ROOT, Process, running, until
from tests.workers.striking import make_endless
from tests.workers.test_ingest import radiographs
from workers import archives, correcting, deep, inference, ingest
from workers.lifecycle import CREWS, refuse_unsafe_start

Build = Callable[..., dict[str, str]]


def test_every_call_is_registered_and_served_by_a_crew() -> None:
    assert {archives, correcting, deep, inference, ingest}
    assert {str(call) for call in Call} <= set(app.tasks)
    assert set(QUEUE_OF.values()) == set(CREWS)


def test_importing_the_application_imports_no_tensorflow(child_environment: Build) -> None:
    script = "import sys, workers.app; print(sorted(n for n in sys.modules if n in {'tensorflow', 'keras', 'torch'}))"
    done = subprocess.run(
        [sys.executable, "-c", script], env=child_environment(), cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("pool", "accepted"), [("prefork", ["json"]), ("solo", ["json"]), ("threads", ["json", "pickle"])]
)
def test_a_start_that_hangs_or_trusts_the_broker_is_refused(pool: str, accepted: list[str]) -> None:
    with pytest.raises(SystemExit):
        refuse_unsafe_start(pool, accepted)


def test_the_start_of_the_supervisor_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)  # other tests of this process need it

    refuse_unsafe_start("celery.concurrency.thread.TaskPool threads", ["json"])


def test_a_worker_in_which_tensorflow_was_imported_early_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorflow", os)

    with pytest.raises(SystemExit):
        refuse_unsafe_start("threads", ["json"])


def test_a_real_worker_with_another_pool_ends_at_once_and_says_why(child_environment: Build) -> None:
    command = [sys.executable, "-m", "celery", "-A", "workers.app", "worker", "--pool=solo", "-Q", "ingest"]
    done = subprocess.run(
        command, env=child_environment(), cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
    )

    assert done.returncode != 0
    assert "--pool=threads" in done.stderr + done.stdout


@pytest.mark.django_db(transaction=True)
def test_without_a_broker_a_worker_looks_for_work_and_ends_in_time(
    upload_of: Callable[..., Upload], child_environment: Build, tmp_path: Path
) -> None:
    upload = upload_of(radiographs(4))
    nowhere = f"redis+socket://{tmp_path}/no.sock"
    worker = Process("ingest", child_environment(REDIS_URL=nowhere, POLL_SECONDS="1"), tmp_path)
    with running(worker):
        worker.start()
        done = Item.objects.filter(upload=upload, state=ItemState.ACCEPTED)
        until(lambda: done.count() == 4, 180, f"nobody looked:\n{worker.tail()}")
        asked = time.monotonic()
        status = worker.end(30)
        seconds = time.monotonic() - asked

    assert status == 0
    assert seconds < 10
    assert "tensorflow" not in worker.tail()


@pytest.mark.django_db(transaction=True)
def test_a_worker_asked_to_end_gives_its_files_back_at_once_and_leaves_no_child(
    upload_of: Callable[..., Upload], child_environment: Build, broker: str, tmp_path: Path
) -> None:
    upload = upload_of(radiographs(12))
    slow = Item.objects.filter(upload=upload).order_by("rank", "pk")[0]
    make_endless(incoming_path(slow.incoming))
    worker = Process("ingest", child_environment(TEST_HANDS="1"), tmp_path)
    with running(worker):
        worker.start()
        leased = Item.objects.filter(upload=upload, state=ItemState.DECODING)
        until(leased.exists, 180, f"nothing was claimed:\n{worker.tail()}")
        until(lambda: leased.filter(computing=True).exists(), 60, f"nothing was begun:\n{worker.tail()}")
        below = psutil.Process(worker.pid).children(recursive=True)
        worker.end(30)

    assert not leased.exists()
    assert not [process for process in below if process.is_running() and process.status() != "zombie"]
    assert set(Item.objects.filter(upload=upload, state=ItemState.RECEIVED).values_list("attempts", flat=True)) <= {0}


@pytest.mark.django_db(transaction=True)
def test_a_worker_beats_while_its_hands_get_on(child_environment: Build, broker: str, tmp_path: Path) -> None:
    worker = Process("inference", child_environment(), tmp_path)
    with running(worker):
        worker.start().wait_for_beat(120)
        first = worker.beat.stat().st_mtime_ns
        until(lambda: worker.beat.stat().st_mtime_ns > first, 30, "it beat once only")


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux: counts threads in /proc")
def test_products_of_matrices_take_no_core_from_the_model() -> None:
    lines = (
        "import sys, os",
        "assert 'numpy' not in sys.modules",
        "import workers.app",
        "import numpy as np",
        "np.ones((512, 512)) @ np.ones((512, 512))",
        "print(len(os.listdir('/proc/self/task')))",
    )
    environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}

    told = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], env=environment, capture_output=True, text=True, check=True
    )

    assert told.stdout.split()[-1] == "1"
