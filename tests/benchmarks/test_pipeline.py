"""How much of what the machine could do reaches the results: the service against its parts in the same run."""

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

import psutil
import pytest
from django.conf import settings
from django.core.management import call_command
from django.db.models import Max
from django.utils import timezone

from ml.images.plain import read_plain
from ml.images.plane import make_plane
from ml.images.preview import make_preview
from ml.inference import Scorer, load_scorer
from ml.models.bundle import list_bundles
from screening.audit.actor import Actor
from screening.flows.acts import seal_upload
from screening.results.models import ModelVersion, Screening, ScreeningState
from screening.uploads.models import Item, ItemState, Upload, UploadState
from screening.users.models import Role
from tests.benchmarks.sending import open_and_send, radiographs, send
from tests.factories import SiteFactory, UserFactory
from tests.workers.processes import Process, running, until

IMAGES = int(os.environ.get("BENCH_IMAGES", "1000"))
SAMPLE = 200  # pictures for the two rates beside
pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(1800), pytest.mark.django_db(transaction=True)]


def say(**figures: object) -> None:
    sys.stdout.write(json.dumps(figures) + "\n")
    sys.stdout.flush()


def decode_seconds(files: Sequence[bytes]) -> float:
    """Processor seconds to bring one file from bytes to plane and preview in memory, on one core."""
    for content in files[:10]:
        make_plane(read_plain(content).gray)
    started = time.process_time()
    for content in files:
        gray = read_plain(content).gray
        make_plane(gray)
        make_preview(gray)
    return (time.process_time() - started) / len(files)


def model_seconds(scorer: Scorer, planes: Sequence[bytes]) -> float:
    """Wall seconds of one plane in full batches, all cores: the best of three passes."""
    passes = []
    for _ in range(3):
        started = time.perf_counter()
        scorer.score(planes)
        passes.append((time.perf_counter() - started) / len(planes))
    return min(passes)


def used(worker: Process) -> dict[str, float]:
    """Processor seconds so far, and the most memory held at once in MB, of a worker and of all below it."""
    everyone = [psutil.Process(worker.pid), *psutil.Process(worker.pid).children(recursive=True)]
    return {
        "cpu": sum(sum(each.cpu_times()[:2]) for each in everyone),
        "own_cpu": sum(everyone[0].cpu_times()[:2]),
        "peak_mb": sum(peak_mebibytes(each.pid) for each in everyone),
    }


def peak_mebibytes(pid: int) -> float:
    """The most memory that a process ever held (Linux; 0 elsewhere)."""
    status = Path(f"/proc/{pid}/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return sum(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def timeline(upload: Upload, begun: datetime) -> dict[str, float]:
    """Seconds after the first claim by which a share of the pictures were read, and of the results written."""
    read = list(Item.objects.filter(upload=upload).order_by("done_at").values_list("done_at", flat=True))
    written = list(Screening.objects.filter(upload=upload).order_by("done_at").values_list("done_at", flat=True))
    return {
        f"{name}_{share}": round((times[len(times) * share // 100 - 1] - begun).total_seconds(), 2)
        for name, times in (("read", read), ("written", written))
        for share in (10, 50, 100)
    }


def first_claim() -> datetime:
    until(Item.objects.filter(state=ItemState.DECODING).exists, 60, "nothing was claimed", every=0.002)
    return timezone.now()


def freeze(worker: Process, number: signal.Signals) -> None:
    """Hold or let go a worker and everything below it."""
    for process in [psutil.Process(worker.pid), *psutil.Process(worker.pid).children(recursive=True)]:
        process.send_signal(number)


def finished(upload: Upload) -> Callable[[], bool]:
    return Upload.objects.filter(pk=upload.pk, state=UploadState.FINISHED).exists


def test_how_much_of_what_decoder_and_model_could_do_reaches_the_results(
    real_pictures: Path, broker: str, child_environment: Callable[..., dict[str, str]], tmp_path: Path
) -> None:
    folder = next(path for path in list_bundles(settings.CONFIG.model_root) if path.parent.name.startswith("xray"))
    call_command("register_model", str(folder))
    model = ModelVersion.objects.get()
    site = SiteFactory()
    user = UserFactory(role_at=(site, Role.STAFF))
    files = radiographs(real_pictures, IMAGES + 64)
    ingest, inference = (Process(name, child_environment(), tmp_path) for name in ("ingest", "inference"))
    with running(ingest, inference):
        inference.start().wait_for_beat()
        ingest.start().wait_for_beat()
        until(finished(send(site, user, files[:64])), 120, f"not warm:\n{ingest.tail()}\n{inference.tail()}")
        freeze(ingest, signal.SIGSTOP)
        upload = open_and_send(site, user, files[64:])
        seal_upload(upload_id=upload.pk, count=IMAGES, actor=Actor.user(user))
        before = {worker.name: used(worker) for worker in (ingest, inference)}
        freeze(ingest, signal.SIGCONT)
        begun = first_claim()
        until(finished(upload), 1200, f"not finished:\n{ingest.tail()}\n{inference.tail()}", every=0.1)
        after = {worker.name: used(worker) for worker in (ingest, inference)}
    rows = Screening.objects.filter(upload=upload, model_version=model)
    took = (rows.aggregate(last=Max("done_at"))["last"] - begun).total_seconds()
    done = rows.filter(state__in=(ScreeningState.SCORED, ScreeningState.INCONCLUSIVE)).count()
    computed = rows.exclude(model_sha256="").count()
    say(figure="timeline", **timeline(upload, begun))

    decode = decode_seconds(files[:SAMPLE])
    scorer = load_scorer(folder)
    planes = [make_plane(read_plain(content).gray).tobytes() for content in files[:SAMPLE]]
    raw = model_seconds(scorer, planes)
    cores = len(os.sched_getaffinity(0))
    limit = 1 / (decode / cores + raw)
    say(
        figure="pipeline",
        images=IMAGES,
        computed=computed,
        seconds=round(took, 3),
        images_per_second=round(IMAGES / took, 2),
    )
    for name, now in after.items():
        spent = {part: (now[part] - before[name][part]) / IMAGES * 1000 for part in ("cpu", "own_cpu")}
        say(
            figure="process",
            name=name,
            cpu_ms_per_image=round(spent["cpu"], 3),
            of_which_own=round(spent["own_cpu"], 3),
            peak_mb=round(now["peak_mb"]),
        )
    say(figure="decode", images_per_second_per_core=round(1 / decode, 1), milliseconds=round(decode * 1000, 3))
    say(
        figure="model",
        images_per_second=round(1 / raw, 2),
        precision=scorer.identity.precision,
        name=scorer.identity.name,
    )
    say(figure="limit", images_per_second=round(limit, 2), cores=cores)
    say(figure="ratio", ratio=round(IMAGES / took / limit, 3))
    assert done == IMAGES
