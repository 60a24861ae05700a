"""Large JPEG 2000 radiographs on their way through the workers, read at half their size."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from pydicom.uid import ExplicitVRLittleEndian

from ml.vocabulary import PIPELINE, REDUCED_PIPELINE
from screening.flows.integrity import find_violations
from screening.results.models import ModelVersion, Screening, ScreeningState
from screening.studies.models import Image
from screening.uploads.models import Item, ItemState, Upload
from screening.uploads.storage import blob_folder
from tests.images.test_reduced import large, packed
from workers import decoders
from workers.crew import Stop
from workers.inference import screen_batch
from workers.ingest import ingest_chunk

Send = Callable[..., Upload]
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def one() -> bytes:
    return packed(large())


@pytest.fixture(scope="module")
def sent_again() -> bytes:
    """The same instance, its header written anew."""
    return packed(large(), ViewPosition="AP")


@pytest.fixture
def choose(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Say whether large ones are read reduced."""

    def chosen(*, reduced: bool) -> None:
        monkeypatch.setattr(decoders, "CONFIG", replace(decoders.CONFIG, reduced_decoding=reduced))

    return chosen


@pytest.fixture
def read(upload_of: Send, choose: Callable[..., None]) -> Callable[..., None]:
    """Send one file and ingest it, reduced or not."""

    def sent(path: str, content: bytes, *, reduced: bool) -> None:
        choose(reduced=reduced)
        upload_of({path: content})
        while ingest_chunk(Stop()):
            pass

    return sent


def test_a_result_names_the_pipeline_by_which_its_picture_was_read(
    read: Callable[..., None], noop: ModelVersion, one: bytes
) -> None:
    read("a.dcm", one, reduced=True)
    screen_batch(noop.pk, Stop())

    image, screening = Image.objects.get(), Screening.objects.get()
    assert (image.pipeline, screening.pipeline) == (REDUCED_PIPELINE, REDUCED_PIPELINE)
    assert (image.rows, image.columns) == (2048, 1200)
    assert screening.state == ScreeningState.SCORED
    assert list(find_violations()) == []


def test_a_picture_that_was_read_reduced_is_asked_about_once(
    read: Callable[..., None], noop: ModelVersion, one: bytes
) -> None:
    read("a.dcm", one, reduced=True)
    read("again.dcm", one, reduced=False)

    assert Screening.objects.get().pipeline == REDUCED_PIPELINE
    assert set(Item.objects.values_list("state", flat=True)) == {ItemState.ACCEPTED, ItemState.DUPLICATE}


def test_a_plane_that_is_gone_is_made_again_as_it_was_whatever_is_chosen_now(
    read: Callable[..., None], noop: ModelVersion, choose: Callable[..., None], one: bytes
) -> None:
    read("a.dcm", one, reduced=True)
    choose(reduced=False)
    image = Image.objects.get()
    (blob_folder(image.site_id, image.sha256) / "0.plane").unlink()

    screen_batch(noop.pk, Stop())

    assert Screening.objects.get().state == ScreeningState.SCORED


@pytest.mark.parametrize(("seed", "state"), [(0, ItemState.DUPLICATE), (1, ItemState.REJECTED)])
def test_the_same_instance_in_another_transfer_syntax_is_told_from_one_with_other_pixels(
    read: Callable[..., None], noop: ModelVersion, one: bytes, seed: int, state: str
) -> None:
    read("a.dcm", one, reduced=True)
    read("b.dcm", packed(large(seed=seed), syntax=ExplicitVRLittleEndian), reduced=True)

    assert Image.objects.get().pipeline == REDUCED_PIPELINE
    assert Item.objects.get(path="b.dcm").state == state


@pytest.mark.parametrize("pipeline", [REDUCED_PIPELINE, PIPELINE])
def test_an_instance_that_comes_again_is_read_as_the_one_that_is_held(
    read: Callable[..., None], noop: ModelVersion, one: bytes, sent_again: bytes, pipeline: str
) -> None:
    read("a.dcm", one, reduced=pipeline == REDUCED_PIPELINE)
    read("b.dcm", sent_again, reduced=pipeline == PIPELINE)

    assert Image.objects.get().pipeline == pipeline
    assert Item.objects.get(path="b.dcm").state == ItemState.DUPLICATE
