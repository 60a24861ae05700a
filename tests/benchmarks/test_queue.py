"""What the queue itself costs: claim, result and chained audit of a model that does nothing."""

import os
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from django.db import connection

from ml.inference import NoopScorer
from screening.results.models import Screening, ScreeningState
from screening.uploads.models import Upload
from screening.users.models import Role
from tests.benchmarks.measuring import say
from tests.benchmarks.sending import send
from tests.factories import ModelVersionFactory, SiteFactory, UserFactory
from tests.phantoms import dicom_file, radiograph
from workers.crew import Stop
from workers.decoders import POOL
from workers.engine import ENGINE
from workers.inference import screen_batch
from workers.ingest import ingest_chunk

IMAGES = int(os.environ.get("BENCH_IMAGES", "1000"))
pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(1800), pytest.mark.django_db(transaction=True)]


@pytest.fixture
def lane(monkeypatch: pytest.MonkeyPatch, settings: Any) -> UUID:
    """Register a model that answers 0.5 to everything and flags nothing; leases are as large as by default."""
    settings.CONFIG = replace(settings.CONFIG, batch_size=0)
    monkeypatch.setattr("workers.engine.load_scorer", lambda *_: NoopScorer())
    ENGINE._loaded.clear()
    scorer = NoopScorer()
    card = scorer.card.as_json()
    version = ModelVersionFactory(labels=list(scorer.labels), flag_labels=[], sha256=scorer.identity.sha256, card=card)
    return version.pk


def sent(count: int) -> Upload:
    site = SiteFactory()
    files = [  # DICOM, because the gate does not look at it: none is kept from the model
        dicom_file(radiograph(96, 96, seed=n), SOPInstanceUID=f"1.2.3.{n}", StudyInstanceUID=f"1.2.{n}")
        for n in range(count)
    ]
    return send(site, UserFactory(role_at=(site, Role.STAFF)), files)


def drain(step: Callable[[], bool]) -> float:
    """Seconds until a worker's step finds nothing more."""
    started = time.perf_counter()
    while step():
        pass
    return time.perf_counter() - started


def test_what_the_queue_costs_for_each_picture(broker: str, lane: UUID) -> None:
    upload = sent(IMAGES)
    read = drain(lambda: ingest_chunk(Stop()))
    ENGINE.get(lane)  # loading is not what a picture costs
    took = drain(lambda: screen_batch(lane, Stop()))
    POOL.close()

    assert Screening.objects.filter(upload=upload, state=ScreeningState.SCORED).count() == IMAGES
    say(f"queue_overhead_{connection.vendor}_ms", took / IMAGES * 1000, "ms/image", IMAGES)
    say(f"ingest_of_tiny_pictures_{connection.vendor}_ms", read / IMAGES * 1000, "ms/image", IMAGES)
