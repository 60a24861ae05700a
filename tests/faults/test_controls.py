"""The walls taken away one by one: if a run without one of them did not fail, the campaigns would prove nothing."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import IntegrityError, connection

from ml.vocabulary import PIPELINE
from screening.audit.actor import Actor
from screening.flows import duplicates
from screening.flows.duplicates import settle_duplicates
from screening.flows.integrity import find_violations
from screening.results.models import Screening
from tests.factories import ImageFactory, ModelVersionFactory, ScreeningFactory, UploadFactory
from tests.faults.service import say

pytestmark = [pytest.mark.django_db(transaction=True)]
CPU = Actor.service("ingest")


@pytest.fixture
def raced(monkeypatch: pytest.MonkeyPatch) -> tuple[Any, str]:
    """A picture with its screening, and a worker that read before that screening was there."""
    plan = duplicates.plan
    monkeypatch.setattr(duplicates, "plan", lambda **told: plan(**told | {"taken": frozenset()}))
    monkeypatch.setattr(duplicates, "_settled_otherwise", lambda *_, **__: False)
    version = ModelVersionFactory()
    image = ImageFactory()
    upload = UploadFactory(site=image.site, models_chosen=[version.name])
    ScreeningFactory(image=image, model_version=version, pipeline=PIPELINE, upload=upload)
    return upload, image.sha256


@pytest.fixture
def keyless(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The table of screenings without its unique key, until the end of the test."""
    constraints = list(Screening._meta.constraints)
    [key] = [one for one in constraints if one.name == "screened_once_per_pipeline"]
    monkeypatch.setattr(Screening._meta, "constraints", [one for one in constraints if one is not key])
    with connection.schema_editor() as editor:  # on SQLite the table is made anew, by what the model says
        editor.remove_constraint(Screening, key)
    yield
    Screening.objects.all().delete()
    monkeypatch.undo()
    with connection.schema_editor() as editor:
        editor.add_constraint(Screening, key)


def ask_late(upload: Any, sha256: str) -> int:
    return settle_duplicates(upload_id=upload.pk, hashes=[sha256], rank=1.0, actor=CPU)


def doubled() -> list[str]:
    return [one.what for one in find_violations(blobs=False) if one.check == "doubled"]


def test_the_unique_key_stops_a_worker_that_read_too_early(raced: tuple[Any, str]) -> None:
    with pytest.raises(IntegrityError):
        ask_late(*raced)

    assert Screening.objects.count() == 1
    assert doubled() == []


def test_without_the_unique_key_the_same_worker_doubles_a_screening_and_the_check_finds_it(
    raced: tuple[Any, str], keyless: None
) -> None:
    ask_late(*raced)

    found = doubled()
    say(figure="control_unique_failed", value=len(found), unit="violations", n=Screening.objects.count())
    assert Screening.objects.count() == 2
    assert len(found) == 1
