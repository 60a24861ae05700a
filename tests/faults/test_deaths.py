"""A process dies at every named place, again and again: nothing is lost, nothing doubled, no event missing.

FAULT_SEEDS=20 is the whole campaign; a seed decides how many files come, in which batches, and at which passing of
the place the process dies. FAULT_MODEL=shipped puts a shipped model in place of the one that does nothing.
"""

import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from screening.faultpoints import PLACES
from screening.results.models import Explanation, Screening
from screening.studies.models import Image
from screening.uploads.models import Item, ItemState, Upload
from screening.uploads.storage import blob_folder
from tests.faults.service import Service, chosen_model, counts, radiographs, say, service_of, wait_until_finished
from tests.faults.web import Web
from tests.workers.processes import until
from workers.orphans import sweep_blobs

SEEDS = int(os.environ.get("FAULT_SEEDS", "1"))
Build = Callable[..., dict[str, str]]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(900)]

# Who passes a place, and how often at least while a dozen files are sent and screened.
WHO = {step: (step,) for step in ("ingest", "inference")}
WHO |= {"upload": ("web",), "purge": ("web",), "archive": ("ingest",), "audit": ("ingest",)}
WHO |= {"explain": ("inference",), "reclaim": ("reconciler",), "settle": ("inference", "ingest", "reconciler")}
OFTEN = {"ingest.decoded": 8, "ingest.moved": 8, "explain.drawn": 4, "explain.kept": 8, "audit.locked": 3}
OFTEN |= {"audit.written": 3, "archive.part_written": 3, "archive.admitted": 1}


def who_passes(place: str) -> tuple[str, ...]:
    return ("web",) if place == "archive.part_written" else WHO[place.partition(".")[0]]


@dataclass(frozen=True, slots=True)
class Plan:
    """One death: where, at which passing, among how many files in batches of which size."""

    place: str
    seed: int
    files: int
    batch: int
    passing: int

    @classmethod
    def drawn(cls, place: str, seed: int) -> "Plan":
        chance = random.Random(f"{place} {seed}")
        return cls(
            place, seed, chance.randrange(12, 40), chance.choice((4, 8, 16)), chance.randrange(OFTEN.get(place, 1))
        )


@contextmanager
def dying(
    plan: Plan, build: Build, folder: Path, model: dict[str, str]
) -> Iterator[tuple[Service, Web, Callable[[], None]]]:
    """A service of which the first process to pass the place dies there, and what replaces it once it has."""
    mark = folder / "struck"
    fault = {"FAULT": f"{plan.place}:{plan.passing}", "FAULT_MARK": str(mark)}
    strikes = who_passes(plan.place)
    with service_of(build, folder, BATCH_SIZE=str(plan.batch), **model) as service:
        own = fault if "web" in strikes else {}
        web = Web(build(REDIS_URL=service.broker.url, FAULTS_ALLOWED="true", **own), folder / "web")
        service.processes.append(web.process)
        web.start()
        usual = (service.ingest, service.inference, service.reconciler)
        struck = {one.name: (service.process(one.name, **fault), one) for one in usual if one.name in strikes}
        for process in usual:
            struck.get(process.name, (process,))[0].start()

        def replace() -> None:
            until(mark.exists, 120, f"never reached {plan.place}:\n{service.tails()}")
            if struck:  # gunicorn replaces its own
                until(lambda: not all(doomed.alive() for doomed, _ in struck.values()), 30, "it did not die")
            for doomed, usual in struck.values():
                if not doomed.alive():
                    assert doomed.end() == 137
                    usual.start()

        yield service, web, replace


def send(web: Web, plan: Plan, folder: Path) -> Upload:
    files = {f"{number:03}.dcm": content for number, content in enumerate(radiographs(plan.files))}
    if plan.place.startswith("archive"):
        return web.send_zip(files)
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return web.send_folder(folder)


def upload_struck(plan: Plan, build: Build, folder: Path) -> None:
    """Send, die, go on, and count."""
    with dying(plan, build, folder, chosen_model()) as (service, web, replace):
        if plan.place == "reclaim.freed":
            kill_one_that_computes(service, web, plan, folder)
            upload = Upload.objects.get()
        else:
            upload = send(web, plan, folder / "pictures")
        if plan.place == "purge.rows_gone":
            wait_until_finished(service, upload, 300)
            web.purge(upload.pk)
        replace()
        wait_until_finished(service, upload, 300)
        if plan.place == "purge.rows_gone":
            assert_purged(upload, web)
            return
        until(lambda: not Explanation.objects.exclude(state="drawn").exists(), 120, f"not drawn:\n{service.tails()}")
    found = counts(upload, plan.files)
    say(figure="death_at", place=plan.place, seed=plan.seed, files=plan.files, passing=plan.passing, **found)
    assert (found["lost"], found["quarantined"], found["waiting"], found["violations"]) == (0, 0, 0, {})
    assert Explanation.objects.count() == Screening.objects.filter(flagged=True).count() == plan.files


def kill_one_that_computes(service: Service, web: Web, plan: Plan, folder: Path) -> None:
    """Leave the reconciler something to free: an inference worker dies with a batch in its hands."""
    service.inference.end()
    doomed = service.process("inference", FAULT="inference.begun").start()
    send(web, plan, folder / "pictures")
    until(lambda: not doomed.alive(), 120, f"never computed:\n{service.tails()}")
    service.inference.start()


def assert_purged(upload: Upload, web: Web) -> None:
    """Rows are gone at once; bytes that the death left are swept as those that no row names."""
    web.purge(upload.pk)
    assert not Image.objects.exists()
    assert set(Item.objects.values_list("state", "path")) == {(ItemState.ACCEPTED, "")}
    site = upload.site_id
    sweep_blobs(float("inf"))
    left = [sha256 for sha256 in Item.objects.values_list("sha256", flat=True) if blob_folder(site, sha256).exists()]
    assert left == []
    assert counts(upload, 0)["violations"] == {}


@pytest.mark.campaign
@pytest.mark.parametrize("seed", range(SEEDS))
@pytest.mark.parametrize("place", PLACES)
def test_a_death_at_any_named_place_loses_and_doubles_nothing(
    place: str, seed: int, child_environment: Build, tmp_path: Path
) -> None:
    upload_struck(Plan.drawn(place, seed), child_environment, tmp_path)


def test_every_step_has_its_places_and_every_place_somebody_who_passes_it() -> None:
    assert len(PLACES) >= 25
    assert {who for place in PLACES for who in who_passes(place)} == {"web", "ingest", "inference", "reconciler"}
    steps = {place.partition(".")[0] for place in PLACES}
    assert steps == {"upload", "archive", "ingest", "inference", "explain", "audit", "settle", "reclaim", "purge"}
