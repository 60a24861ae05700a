"""The long campaign: thousands of small pictures through killed workers, lost brokers, and a database that stops dead.

FAULT_IMAGES=10000 FAULT_KILLS_OF_MANY=50 and five lost brokers are the whole of it, as they stand. The database is
stopped where TEST_POSTGRES_DATA names a cluster that the tests may stop: `python -m tests.faults.database COMMAND`.
"""

import os
import random
import struct
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from screening.results.models import Screening, ScreeningState
from screening.uploads.models import Item, ItemState, Upload
from screening.users.models import Role
from tests.benchmarks.sending import send
from tests.factories import SiteFactory, UserFactory
from tests.faults.database import patient, stop_and_start
from tests.faults.service import Service, counts, finished, noop_model, radiographs, say, screened, service_of
from tests.phantoms import dicom_file, radiograph
from tests.workers.processes import until

IMAGES = int(os.environ.get("FAULT_IMAGES", "10000"))
KILLS = int(os.environ.get("FAULT_KILLS_OF_MANY", "50"))
LOSSES, STOPS = 5, 2
POISONED = IMAGES // 100
DATA = os.environ.get("TEST_POSTGRES_DATA", "")
PATIENCE = 3600.0
Build = Callable[..., dict[str, str]]
pytestmark = [pytest.mark.campaign, pytest.mark.django_db(transaction=True), pytest.mark.timeout(4 * 3600)]


class Progress:
    """How many screenings have their outcome; while the database is away, how many had."""

    def __init__(self, upload: Upload) -> None:
        self._upload, self._last = upload, 0

    def __call__(self) -> int:
        self._last = patient(lambda: screened(self._upload), self._last)
        return self._last


def strikes(service: Service) -> list[Callable[[], None]]:
    """Every blow of the campaign, in an order drawn from a seed."""
    killed = [service.inference, service.ingest]
    blows = [lambda one=killed[number % 2]: service.kill_and_restart(one) for number in range(KILLS)]
    blows += [service.lose_the_broker] * LOSSES
    if DATA:
        blows += [lambda: stop_and_start(DATA)] * STOPS
    random.Random(20).shuffle(blows)
    return blows


def told(upload: Upload, found: dict[str, Any], **more: object) -> None:
    """One line for each figure, as the reports quote them."""
    gaps = {"outcomes", "chains", "subjects"}
    figures = {
        "lost": found["lost"],
        "doubled": found["violations"].get("doubled", 0),
        "audit_gaps": sum(number for check, number in found["violations"].items() if check in gaps),
    }
    for name, value in figures.items():
        say(
            figure=name,
            value=value,
            unit="rows",
            n=found["offered"],
            database=("postgresql" if DATA else "sqlite"),
            **more,
        )


def test_thousands_of_images_outlast_kills_lost_brokers_and_a_database_that_stops(
    child_environment: Build, tmp_path: Path
) -> None:
    noop_model()
    site = SiteFactory()
    upload = send(site, UserFactory(role_at=(site, Role.STAFF)), radiographs(IMAGES))
    with service_of(child_environment, tmp_path, FAULT_NOOP="0.001", BATCH_SIZE="32") as service:
        blows = strikes(service)
        progress = Progress(upload)
        service.start()
        for number, blow in enumerate(blows):
            mark = (number + 1) * IMAGES // (len(blows) + 2)
            until(lambda mark=mark: progress() >= mark, PATIENCE, f"stuck before {mark}:\n{service.tails()}", every=0.1)
            blow()
        done = lambda: bool(patient(lambda: finished(upload), False))  # noqa: E731
        until(done, PATIENCE, f"not finished:\n{service.tails()}", every=0.5)
        starts = {process.name: process.starts for process in (service.ingest, service.inference)}

    found = counts(upload, IMAGES)
    told(upload, found, kills=KILLS, brokers_lost=LOSSES, database_stops=STOPS if DATA else 0, starts=starts)
    assert (found["lost"], found["quarantined"], found["waiting"], found["violations"]) == (0, 0, 0, {})


def bomb(number: int) -> bytes:
    """A PNG that claims 60,000 x 60,000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 60000, 60000, 8, 0, 0, 0, 0)
    text = chunk(b"tEXt", f"number\0{number}".encode())
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + text
        + chunk(b"IDAT", zlib.compress(bytes(10**6)))
        + chunk(b"IEND", b"")
    )


def poison(number: int) -> bytes:
    kind = ("segfault", "memory", "hang", "bomb")[number % 4]
    if kind == "bomb":
        return bomb(number)
    return dicom_file(
        radiograph(64, 60, seed=number),
        SOPInstanceUID=f"1.9.{number}",
        SeriesInstanceUID=f"1.8.{number}",
        StudyInstanceUID=f"1.7.{number}",
        StudyDescription=f"POISON-{kind}",
    )


def test_poison_among_thousands_is_rejected_and_harms_nobody(child_environment: Build, tmp_path: Path) -> None:
    noop_model()
    files = radiographs(IMAGES - POISONED)
    places = sorted(random.Random(21).sample(range(IMAGES), POISONED))
    for number, place in enumerate(places):
        files.insert(place, poison(number))
    site = SiteFactory()
    upload = send(site, UserFactory(role_at=(site, Role.STAFF)), files)
    usual = {"FAULT_NOOP": "0.001", "BATCH_SIZE": "32", "DECODE_SECONDS": "2", "DECODE_MEBIBYTES": "1024"}
    with service_of(child_environment, tmp_path, FAULT_DECODER="true", **usual) as service:
        service.start()
        until(lambda: finished(upload), PATIENCE, f"not finished:\n{service.tails()}", every=0.5)
        unhurt = service.inference.alive()

    names = {f"picture{place:05d}" for place in places}
    rejected = Item.objects.filter(upload=upload, state=ItemState.REJECTED)
    codes = Counter(rejected.values_list("code", flat=True))
    innocents = IMAGES - POISONED - Screening.objects.filter(upload=upload, state=ScreeningState.SCORED).count()
    tries = max(rejected.values_list("decodes", flat=True))
    say(
        figure="innocents",
        value=innocents,
        unit="pictures harmed",
        n=IMAGES,
        poisoned=POISONED,
        codes=codes,
        tries=tries,
    )
    assert set(rejected.values_list("path", flat=True)) == names
    assert innocents == 0
    assert tries <= 3
    assert unhurt
    assert service.inference.starts == 1
    found = counts(upload, IMAGES)
    assert (found["quarantined"], found["waiting"], found["violations"]) == (0, 0, {})
