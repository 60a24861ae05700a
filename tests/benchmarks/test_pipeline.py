"""How much of what the machine could do reaches the results: the service against its parts in the same run."""

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from ml.images.plain import read_plain
from ml.images.plane import make_plane
from ml.inference import load_scorer
from ml.models.bundle import read_card
from screening.results.models import Screening, ScreeningState
from screening.uploads.models import Item, Upload
from tests.benchmarks.measuring import CORES, decode_seconds, model_seconds, say, used
from tests.benchmarks.sending import radiographs
from tests.benchmarks.service import first_claim, service
from workers.choices import chosen

IMAGES = int(os.environ.get("BENCH_IMAGES", "1000"))
SAMPLE = 200  # pictures for the two rates beside
pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(1800), pytest.mark.django_db(transaction=True)]


def timeline(upload: Upload, begun: datetime) -> dict[str, float]:
    """Seconds after the first claim by which a share of the pictures were read, and of the results written."""
    read = list(Item.objects.filter(upload=upload).order_by("done_at").values_list("done_at", flat=True))
    written = list(Screening.objects.filter(upload=upload).order_by("done_at").values_list("done_at", flat=True))
    return {
        f"{name}_{share}": round((times[len(times) * share // 100 - 1] - begun).total_seconds(), 2)
        for name, times in (("read", read), ("written", written))
        for share in (10, 50, 100)
    }


def limit_of(decode: float, raw: float) -> float:
    """Pictures a second, of seconds to decode one on one core and to compute one on all."""
    return round(1 / (decode / CORES + raw), 2)


@pytest.mark.parametrize("models", [1, 4])
def test_how_much_of_what_decoder_and_models_could_do_reaches_the_results(
    real_pictures: Path,
    broker: str,
    child_environment: Callable[..., dict[str, str]],
    tmp_path: Path,
    four_models: list[Path],
    settings: Any,
    models: int,
) -> None:
    settings.CONFIG = replace(settings.CONFIG, runtime="auto", precision="auto", batch_size=0)  # as in the service
    folders = four_models[:models]
    names = [read_card(folder).name for folder in folders]
    call_command("register_model", *map(str, folders))
    files = radiographs(real_pictures, IMAGES + 64)
    scorers = [load_scorer(folder, chosen) for folder in folders]  # which the workers find remembered
    planes = [make_plane(read_plain(content).gray).tobytes() for content in files[:SAMPLE]]

    def parts() -> tuple[float, float]:
        return decode_seconds(files[:SAMPLE]), model_seconds(scorers, planes)

    first = parts()
    with service(child_environment, tmp_path, MODEL_ROOT=str(tmp_path / "models")) as running:
        running.finish(running.send(files[:64], names))
        running.rest()  # or the heat maps of these would be drawn while others are measured
        before = {worker.name: used(worker) for worker in (running.ingest, running.inference)}
        upload = running.send_held(files[64:], names)
        first_claim()
        begun = timezone.now()
        running.finish(upload)
        after = {worker.name: used(worker) for worker in (running.ingest, running.inference)}
    times = timeline(upload, begun)
    took = times["written_100"]
    outcomes = Screening.objects.filter(upload=upload)
    done = outcomes.filter(state__in=(ScreeningState.SCORED, ScreeningState.INCONCLUSIVE))
    scored = outcomes.filter(state=ScreeningState.SCORED)
    computed_by = set(scored.values_list("model_sha256", "runtime", "precision"))
    limit_by = {(each.sha256, each.runtime, each.precision) for each in (scorer.identity for scorer in scorers)}
    last = parts()  # a machine that others share is now faster, now slower: before and after count alike
    decode, raw = ((one + two) / 2 for one, two in zip(first, last, strict=True))
    limit, limits = limit_of(decode, raw), {"limit_before": limit_of(*first), "limit_after": limit_of(*last)}
    way = {"runtime": scorers[0].identity.runtime, "precision": scorers[0].identity.precision}
    plural = "model" if models == 1 else "models"  # four share one trunk, the copy too: it is told by its weights
    say(
        f"end_to_end_{models}_{plural}",
        IMAGES / took,
        "images/s",
        IMAGES,
        seconds=took,
        **times,
    )
    for name, now in after.items():
        spent = (now["cpu"] - before[name]["cpu"]) / IMAGES * 1000
        say(f"cpu_{name}_{models}", spent, "ms/image", IMAGES, peak_mb=round(now["peak_mb"]))
    say("decode", 1 / decode, "images/s/core", SAMPLE)
    say(f"raw_{models}", 1 / raw, "images/s", SAMPLE, batch=scorers[0].batch_size, **way)
    say(f"ratio_{models}_{plural}", IMAGES / took / limit, "of the limit", IMAGES, limit=limit, cores=CORES, **limits)
    assert done.count() == IMAGES * models
    assert computed_by == limit_by, "a limit of other ways of computing is none"
