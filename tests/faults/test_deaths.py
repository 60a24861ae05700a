"""A process dies at every named place, again and again: nothing is lost, nothing doubled, no event missing.

FAULT_SEEDS=20 is the whole campaign; a seed decides how many files come, and at which passing of the place the process
dies. A service dies some deaths in a row, told of each while it runs. FAULT_MODEL=shipped puts a shipped model in
place of the one that does nothing.
"""

import os
import random
import signal
import time
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
from tests.faults import orders
from tests.faults.service import Service, chosen_model, counts, radiographs, say, service_of, wait_until_finished
from tests.faults.web import Web
from tests.workers.processes import Process, until
from workers.orphans import sweep_blobs

SEEDS = int(os.environ.get("FAULT_SEEDS", "1"))
IN_A_ROW = 5  # deaths of one service: then a fresh one, whose batches are of another size
Build = Callable[..., dict[str, str]]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(900 * IN_A_ROW)]

# Who passes a place, and how often at least while a dozen files are sent and screened.
WHO = {step: (step,) for step in ("ingest", "inference")}
WHO |= {"upload": ("web",), "purge": ("web",), "archive": ("ingest",), "audit": ("ingest",)}
WHO |= {"explain": ("inference",), "reclaim": ("reconciler",), "settle": ("inference", "ingest", "reconciler")}
OFTEN = {"ingest.decoded": 8, "ingest.moved": 8, "explain.drawn": 4, "explain.kept": 8, "audit.locked": 2}
OFTEN |= {"audit.written": 2, "archive.part_written": 3, "archive.admitted": 1}  # two hands may share all files


def who_passes(place: str) -> tuple[str, ...]:
    return ("web",) if place == "archive.part_written" else WHO[place.partition(".")[0]]


@dataclass(frozen=True, slots=True)
class Plan:
    """One death: where, at which passing, among how many files."""

    place: str
    seed: int
    files: int
    passing: int

    @classmethod
    def drawn(cls, place: str, seed: int) -> "Plan":
        chance = random.Random(f"{place} {seed}")
        return cls(place, seed, chance.randrange(12, 40), chance.randrange(OFTEN.get(place, 1)))


@dataclass(frozen=True, slots=True)
class Doomed:
    """A service some of whose processes follow orders to die, one death after another."""

    service: Service
    web: Web
    folder: Path
    following: tuple[Process, ...]

    def order(self, plan: Plan) -> Path:
        """Order one death, and wait until all whom it may meet know; the file that its strike will make."""
        mark = self.folder / f"struck-{plan.seed}"
        orders.give(self.folder / "orders", f"{plan.place}:{plan.passing}", mark)
        many = 2 if self.web.process in self.following else len(self.following)  # gunicorn has two workers
        until(lambda: orders.followers(mark) >= many, 120, f"nobody knows of {plan}:\n{self.service.tails()}")
        return mark

    def replace(self, plan: Plan, mark: Path) -> None:
        """Wait for the death, and start anew what died."""
        try:
            until(mark.exists, 120, f"never reached {plan}")
        except AssertionError as never:
            for process in self.service.processes:
                if process.alive() and process is not self.web.process:
                    process.signal(signal.SIGUSR1)  # each says where its threads are
            time.sleep(1)
            raise AssertionError(f"{never}:\n{self.service.tails()}") from None
        if self.web.process in self.following:
            return  # gunicorn replaces its own
        until(lambda: not all(process.alive() for process in self.following), 30, "it did not die")
        for process in self.following:
            if not process.alive():
                assert process.end() == 137
                process.start()


@contextmanager
def doomed(place: str, batch: int, build: Build, folder: Path) -> Iterator[Doomed]:
    """A service whose processes that pass a place follow orders."""
    told = {orders.VARIABLE: str(folder / "orders")}
    who = who_passes(place)
    with service_of(build, folder, BATCH_SIZE=str(batch), **chosen_model()) as service:
        settings = {"DJANGO_SETTINGS_MODULE": "tests.faults.settings"}
        own = settings | told if "web" in who else {}
        web = Web(build(REDIS_URL=service.broker.url, FAULTS_ALLOWED="true", **own), folder / "web")
        service.processes.append(web.process)
        web.start()
        usual = (service.ingest, service.inference, service.reconciler)
        for process in usual:
            if process.name in who:
                process.tell(**told)
            process.start()
        yield Doomed(service, web, folder, tuple(each for each in (web.process, *usual) if each.name in who))


def send(web: Web, plan: Plan, folder: Path) -> Upload:
    drawn = radiographs(plan.files, first=plan.seed * 100)
    files = {f"{number:03}.dcm": content for number, content in enumerate(drawn)}
    if plan.place.startswith("archive"):
        return web.send_zip(files)
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return web.send_folder(folder)


def upload_struck(plan: Plan, struck: Doomed) -> None:
    """Send, die, go on, and count."""
    service, web, pictures = struck.service, struck.web, struck.folder / f"pictures-{plan.seed}"
    mark = struck.order(plan)
    if plan.place == "reclaim.freed":
        upload = kill_one_that_computes(service, web, plan, pictures)
    else:
        upload = send(web, plan, pictures)
    if plan.place == "purge.rows_gone":
        wait_until_finished(service, upload, 300)
        web.purge(upload.pk)
    struck.replace(plan, mark)
    wait_until_finished(service, upload, 300)
    if plan.place == "purge.rows_gone":
        assert_purged(upload, web)
        return
    until(lambda: not Explanation.objects.exclude(state="drawn").exists(), 120, f"not drawn:\n{service.tails()}")
    found = counts(upload, plan.files)
    say(figure="death_at", place=plan.place, seed=plan.seed, files=plan.files, passing=plan.passing, **found)
    assert (found["lost"], found["quarantined"], found["waiting"], found["violations"]) == (0, 0, 0, {})
    flagged = Screening.objects.filter(upload=upload, flagged=True).count()
    assert Explanation.objects.filter(screening__upload=upload).count() == flagged == plan.files


def kill_one_that_computes(service: Service, web: Web, plan: Plan, folder: Path) -> Upload:
    """Leave the reconciler something to free: an inference worker dies with a batch in its hands."""
    service.inference.end()
    computing = service.process("inference", FAULT="inference.begun").start()
    upload = send(web, plan, folder)
    until(lambda: not computing.alive(), 120, f"never computed:\n{service.tails()}")
    service.inference.start()
    return upload


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
@pytest.mark.parametrize("first", range(0, SEEDS, IN_A_ROW))
@pytest.mark.parametrize("place", PLACES)
def test_a_death_at_any_named_place_loses_and_doubles_nothing(
    place: str, first: int, child_environment: Build, tmp_path: Path
) -> None:
    batch = random.Random(f"{place} {first}").choice((4, 8, 16))
    with doomed(place, batch, child_environment, tmp_path) as struck:
        for seed in range(first, min(first + IN_A_ROW, SEEDS)):
            upload_struck(Plan.drawn(place, seed), struck)


def test_every_step_has_its_places_and_every_place_somebody_who_passes_it() -> None:
    assert len(PLACES) >= 25
    assert {who for place in PLACES for who in who_passes(place)} == {"web", "ingest", "inference", "reconciler"}
    steps = {place.partition(".")[0] for place in PLACES}
    assert steps == {"upload", "archive", "ingest", "inference", "explain", "audit", "settle", "reclaim", "purge"}
