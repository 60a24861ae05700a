"""Two models on one trunk, in lanes of their own: each plane goes through the trunk once."""

from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command

from ml.models import frozen
from ml.models.sharing import Trunks
from screening.results.models import ModelVersion, Screening
from screening.uploads.kept import bytes_of
from screening.uploads.models import Upload
from tests.shipped import bundle_of
from tests.workers.test_ingest import ingest_all, radiographs
from workers import planes
from workers.agreement import AGREEMENT
from workers.crew import Stop
from workers.engine import ENGINE
from workers.inference import screen_batch
from workers.management.commands import register_model

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def lanes(settings, monkeypatch: pytest.MonkeyPatch) -> list[ModelVersion]:
    """Two shipped models of one trunk, both defaults here."""
    monkeypatch.setattr(register_model, "verify", lambda _: None)  # each is verified in tests/models
    monkeypatch.setattr(frozen, "TRUNKS", Trunks())  # nothing remembered of pictures that came before
    ENGINE._loaded.clear()
    folders = [str(bundle_of(slug)) for slug in ("xray-covid-3class", "xray-covid-normal")]
    call_command("register_model", *folders, stdout=StringIO())
    for version in ModelVersion.objects.all():
        version.card.pop("default", None)
        version.save(update_fields=["card"])
    return list(ModelVersion.objects.all())


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many planes went through a trunk, call by call."""
    asked: list[int] = []
    filled_up = frozen._filled_up

    def counted(planes: Any, least: int) -> Any:
        asked.append(len(planes))
        return filled_up(planes, least)

    monkeypatch.setattr(frozen, "_filled_up", counted)
    monkeypatch.setattr(AGREEMENT, "departs", lambda _: "")  # which asks for planes of its own
    return asked


def test_the_second_lane_finds_what_the_first_computed(
    lanes: list[ModelVersion], upload_of: Callable[..., Upload], computed: list[int]
) -> None:
    upload_of(radiographs(3))
    ingest_all()
    for version in lanes:
        ENGINE.get(version.pk)
    computed.clear()

    for version in lanes:
        assert screen_batch(version.pk, Stop())

    assert computed == [3]
    assert Screening.objects.exclude(state="waiting").count() == 6
    ENGINE._loaded.clear()


def test_the_second_lane_finds_the_planes_that_the_first_one_read(
    lanes: list[ModelVersion], upload_of: Callable[..., Upload], monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    monkeypatch.setattr(planes, "LATEST", planes.Latest())
    monkeypatch.setattr(planes, "bytes_of", lambda path, sha256: (read.append(sha256), bytes_of(path, sha256))[1])
    upload_of(radiographs(3))
    ingest_all()
    for version in lanes:
        ENGINE.get(version.pk)

    for version in lanes:
        assert screen_batch(version.pk, Stop())

    assert len(read) == len(set(read)) == 3
    assert Screening.objects.exclude(state="waiting").count() == 6
    ENGINE._loaded.clear()


def test_no_more_than_the_latest_planes_stay_in_memory() -> None:
    latest = planes.Latest(most=2)

    for name in "abc":
        latest.keep(name, name.encode())

    assert [latest.find(name) for name in "abc"] == [None, b"b", b"c"]
