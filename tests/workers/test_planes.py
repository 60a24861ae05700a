"""Planes come in the order in which they were asked for; from a store several are fetched at once."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.contextvars import bound_contextvars, merge_contextvars
from structlog.testing import capture_logs

from screening.results.models import ModelVersion
from screening.store.errors import StoreAway
from screening.studies.models import Image
from screening.uploads.models import Upload
from screening.uploads.storage import blob_folder
from tests.workers.test_ingest import ingest_all, radiographs
from workers import planes

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(params=["disk", "store"])
def images(
    upload_of: Callable[..., Upload], noop: ModelVersion, monkeypatch: pytest.MonkeyPatch, request
) -> list[Image]:
    """Give five pictures of which each has a plane of its own, as with a store and without one."""
    monkeypatch.setattr(planes, "LATEST", planes.Latest())
    upload_of(radiographs(5))
    ingest_all()
    if request.param == "store":
        monkeypatch.setattr(planes, "objects", object)  # whatever reads them: how many are asked for at once
    return list(Image.objects.order_by("pk"))


def place_of(image: Image) -> Path:
    return blob_folder(image.site_id, image.sha256) / f"{image.frame}.plane"


@pytest.mark.parametrize("again", [False, True])
def test_each_plane_is_that_of_its_picture_and_a_lost_one_leaves_its_place_empty(images: list[Image], again: bool):  # noqa: FBT001
    stored = [place_of(image).read_bytes() for image in images]
    place_of(images[3]).unlink()
    (place_of(images[3]).parent / images[3].source_name).unlink()

    assert planes.load_planes(images, again=again) == [*stored[:3], None, stored[4]]
    assert len(set(stored)) == 5


@pytest.mark.parametrize("which", range(5))
def test_a_store_that_is_away_for_any_of_them_is_away(images: list[Image], monkeypatch: pytest.MonkeyPatch, which: int):
    read = planes.bytes_of

    def away(path: Path, sha256: str) -> tuple[bytes | None, bool]:
        if path == place_of(images[which]):
            raise StoreAway("It does not answer.")
        return read(path, sha256)

    monkeypatch.setattr(planes, "bytes_of", away)

    with pytest.raises(StoreAway):
        planes.load_planes(images)


@pytest.mark.parametrize("images", ["store"], indirect=True)
def test_what_is_said_of_a_fetched_plane_names_its_lease(images: list[Image], monkeypatch: pytest.MonkeyPatch):
    place_of(images[2]).unlink()

    with bound_contextvars(lease="a lease"), capture_logs([merge_contextvars]) as told:
        assert None not in planes.load_planes(images)

    assert [(line["event"], line["lease"]) for line in told] == [("plane_made_again", "a lease")]


@pytest.mark.parametrize("images", ["store"], indirect=True)
def test_one_is_fetched_while_others_are(images: list[Image], monkeypatch: pytest.MonkeyPatch):
    together, read = threading.Barrier(len(images), timeout=30), planes.bytes_of

    def read_together(path: Path, sha256: str) -> tuple[bytes | None, bool]:
        together.wait()
        return read(path, sha256)

    monkeypatch.setattr(planes, "bytes_of", read_together)

    assert None not in planes.load_planes(images)
