"""A whole service for one fault test: its processes, its broker, and the counts that must come out."""

import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.core.management import call_command

from ml.inference import NoopScorer
from screening.flows.integrity import find_violations
from screening.results.models import PENDING, OperatingPoint, Screening, ScreeningState
from screening.uploads.models import Item, ItemState, Upload, UploadState
from screening.users.models import Role
from tests.benchmarks.sending import send
from tests.factories import ModelVersionFactory, SiteFactory, UserFactory
from tests.phantoms import dicom_file, radiograph
from tests.shipped import bundle_of
from tests.workers.processes import Process, until
from workers.supervisor.valkey import EmbeddedValkey

LEASE_SECONDS = 3
Build = Callable[..., dict[str, str]]


def radiographs(count: int, first: int = 0) -> list[bytes]:
    """Drawn radiographs, every one another study. Another `first` draws others."""
    return [
        dicom_file(
            radiograph(64, 60, seed=n),
            SOPInstanceUID=f"1.2.3.{n}",
            SeriesInstanceUID=f"1.3.{n}",
            StudyInstanceUID=f"1.2.{n}",
        )
        for n in range(first, first + count)
    ]


def say(**figures: object) -> None:
    sys.__stdout__.write(json.dumps(figures) + "\n")  # type: ignore[union-attr]
    sys.__stdout__.flush()  # type: ignore[union-attr]


class Service:
    """Broker, ingest worker, inference worker and reconciler on the database of the test run."""

    def __init__(self, build: Build, folder: Path, broker: EmbeddedValkey, variables: Mapping[str, str]) -> None:
        self._folder = folder
        self.broker = broker
        usual = {"LEASE_SECONDS": str(LEASE_SECONDS), "POLL_SECONDS": "1"}
        self._environment = build(
            REDIS_URL=broker.url,
            DJANGO_SETTINGS_MODULE="tests.faults.settings",
            FAULTS_ALLOWED="true",
            **(usual | dict(variables)),
        )
        self.processes: list[Process] = []
        self.ingest = self.process("ingest")
        self.inference = self.process("inference")
        self.reconciler = self.process("reconciler", TEST_EVERY=variables.get("TEST_EVERY", "1"))

    def process(self, name: str, **more: str) -> Process:
        folder = self._folder / f"{name}-{len(self.processes)}"
        folder.mkdir()
        process = Process(name, {**self._environment, **more}, folder)
        self.processes.append(process)
        return process

    def start(self) -> None:
        for process in (self.ingest, self.inference, self.reconciler):
            process.start()

    def kill_and_restart(self, process: Process) -> None:
        process.kill()
        process.start()

    def lose_the_broker(self) -> None:
        """Stop it without saving, lose its file too, and start an empty one two seconds later."""
        self.broker.stop(signal.SIGKILL)
        shutil.rmtree(self.broker.folder, ignore_errors=True)
        time.sleep(2.0)
        self.broker.start()

    def end(self) -> None:
        for process in self.processes:
            if process.alive():
                process.end()

    def tails(self) -> str:
        return "\n".join(f"--- {process.name}\n{process.tail()}" for process in self.processes)


@contextmanager
def service_of(build: Build, folder: Path, **variables: str) -> Iterator[Service]:
    """Run a service whose broker is its own, and end all of it."""
    place = Path(tempfile.mkdtemp(prefix="v-"))  # short: a socket's path ends at about 107 bytes
    broker = EmbeddedValkey(place / "data", place / "valkey.sock", environment=build())
    broker.start()
    service = Service(build, folder, broker, variables)
    try:
        yield service
    finally:
        service.end()
        broker.stop()
        shutil.rmtree(place, ignore_errors=True)


def noop_model() -> None:
    ModelVersionFactory(labels=list(NoopScorer().labels), sha256=NoopScorer().identity.sha256)


def chosen_model() -> dict[str, str]:
    """Register the model that FAULT_MODEL names, `shipped` or one that does nothing; what its workers are told.

    Either flags every picture that it scores, so that heat maps are drawn.
    """
    if os.environ.get("FAULT_MODEL") != "shipped":
        noop_model()
        return {"FAULT_NOOP": "0.001"}
    call_command("register_model", str(bundle_of("xray-covid-3class")), verbosity=0)
    OperatingPoint.objects.update(value=0.0)
    return {"FAULT_FAR": "true"}


def send_radiographs(count: int) -> Upload:
    site = SiteFactory()
    return send(site, UserFactory(role_at=(site, Role.STAFF)), radiographs(count))


def finished(upload: Upload) -> bool:
    return Upload.objects.filter(pk=upload.pk, state=UploadState.FINISHED).exists()


def ingested(upload: Upload) -> int:
    return Item.objects.filter(upload=upload, state=ItemState.ACCEPTED).count()


def screened(upload: Upload) -> int:
    return Screening.objects.filter(upload=upload).exclude(state__in=PENDING).count()


def wait_until_finished(service: Service, upload: Upload, patience: float) -> float:
    return until(lambda: finished(upload), patience, f"not finished:\n{service.tails()}", every=0.1)


def strike_at(progress: Callable[[], int], marks: Sequence[int], strike: Callable[[], None], patience: float) -> None:
    """Strike each time the progress passes a mark."""
    for mark in marks:
        until(lambda mark=mark: progress() >= mark, patience, f"stuck before {mark}, at {progress()}", every=0.05)
        strike()


def counts(upload: Upload, offered: int) -> dict[str, Any]:
    """What the database says: lost, doubled, quarantined, and what the integrity check found."""
    items = Counter(Item.objects.filter(upload=upload).values_list("state", flat=True))
    rows = Counter(Screening.objects.filter(upload=upload).values_list("state", flat=True))
    violations = Counter(violation.check for violation in find_violations())
    return {
        "offered": offered,
        "accepted": items[ItemState.ACCEPTED],
        "lost": offered - items[ItemState.ACCEPTED] + offered - sum(rows.values()),
        "quarantined": rows[ScreeningState.QUARANTINED],
        "waiting": sum(rows[state] for state in PENDING),
        "violations": dict(violations),
    }


def tries() -> dict[str, Any]:
    """Say how often a row was begun at most, and how many deaths counted."""
    rows, items = Screening.objects.all(), Item.objects.filter(state=ItemState.ACCEPTED)
    return {
        "attempts": max(rows.values_list("attempts", flat=True)),
        "alone": rows.filter(alone=True).count(),
        "deaths": sum(rows.values_list("deaths", flat=True)) + sum(items.values_list("deaths", flat=True)),
        "decodes": max(items.values_list("decodes", flat=True)),
    }
