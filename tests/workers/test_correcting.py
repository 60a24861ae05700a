"""A picture that lies wrong is corrected: a new picture stands in its place, screened anew, and what was sent stays."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image as Picture

from screening.audit.actor import Actor
from screening.audit.models import AuditEvent
from screening.errors import NothingToCorrect
from screening.flows.correcting import ask_correction, corrections_asked
from screening.flows.integrity import find_violations
from screening.flows.purge import purge_upload
from screening.results.models import ModelVersion, Screening, ScreeningState
from screening.studies.models import Image, StudyState
from screening.uploads.models import Upload, UploadState
from screening.uploads.storage import blob_folder
from screening.users.models import User
from tests.phantoms import png_file, radiograph
from workers.correcting import correct
from workers.crew import Stop
from workers.decoders import POOL
from workers.decoding.pool import DecoderPool
from workers.inference import screen_somewhere
from workers.ingest import ingest_chunk

pytestmark = pytest.mark.django_db(transaction=True)
UPRIGHT = radiograph(512, 480)


@pytest.fixture
def sent(noop: ModelVersion, upload_of: Callable[..., Upload]) -> Callable[[np.ndarray], Image]:
    """Send a picture through ingest, gate and all."""

    def build(gray: np.ndarray) -> Image:
        upload_of({"a.png": png_file(gray)}, modality="xray")
        while ingest_chunk(Stop()):
            pass
        return Image.objects.get()

    return build


def screen_all() -> None:
    while screen_somewhere(Stop()):
        pass


def kept(image: Image) -> np.ndarray:
    with Picture.open(blob_folder(image.site_id, image.sha256) / "source.png") as picture:
        return np.asarray(picture).astype(int)


@pytest.mark.parametrize(
    ("wrong", "reason", "correction"),
    [(255 - UPRIGHT, "polarity", "invert"), (np.rot90(UPRIGHT, 1), "orientation", "turn_right")],
)
def test_a_picture_that_lies_wrong_is_corrected_and_screened_and_what_was_sent_stays(
    sent: Callable[[np.ndarray], Image], staff: User, wrong: np.ndarray, reason: str, correction: str
) -> None:
    image = sent(wrong)
    source = (blob_folder(image.site_id, image.sha256) / "source.png").read_bytes()
    assert (image.not_assessed, image.study.state) == (reason, StudyState.INCOMPLETE)

    ask_correction(image_id=image.pk, correction=correction, actor=Actor.user(staff))
    assert corrections_asked() == [image.pk]
    assert correct(image.pk)
    screen_all()

    made = Image.objects.get(corrects=image)
    image.refresh_from_db()
    assert (made.not_assessed, made.superseded, image.superseded, image.not_assessed) == ("", False, True, reason)
    assert np.array_equal(kept(made), UPRIGHT.astype(int))
    assert (blob_folder(image.site_id, image.sha256) / "source.png").read_bytes() == source
    assert made.screenings.get().state == ScreeningState.SCORED
    assert image.screenings.get().state == ScreeningState.INCONCLUSIVE
    study = made.study
    assert (study.state, study.not_assessed, study.revision) == (StudyState.READY, False, 2)
    assert study.upload.state == UploadState.FINISHED
    told = AuditEvent.objects.filter(action__in=["image:correction_asked", "image:corrected"]).order_by("seq")
    assert [(event.action, event.actor) for event in told] == [
        ("image:correction_asked", f"user:{staff.pk}"),
        ("image:corrected", "service:correct"),
    ]
    assert told[1].detail["corrects"] == str(image.pk)
    assert list(find_violations()) == []


def test_a_call_that_comes_twice_or_for_nothing_changes_nothing(
    sent: Callable[[np.ndarray], Image], staff: User
) -> None:
    image = sent(255 - UPRIGHT)
    assert not correct(image.pk)
    ask_correction(image_id=image.pk, correction="invert", actor=Actor.user(staff))
    assert correct(image.pk)
    events = AuditEvent.objects.count()

    assert not correct(image.pk)

    assert (Image.objects.count(), AuditEvent.objects.count()) == (2, events)


def test_only_what_the_gate_called_for_is_made_and_only_once(sent: Callable[[np.ndarray], Image], staff: User) -> None:
    image = sent(255 - UPRIGHT)
    events = AuditEvent.objects.count()

    with pytest.raises(NothingToCorrect):
        ask_correction(image_id=image.pk, correction="turn_right", actor=Actor.user(staff))
    assert AuditEvent.objects.count() == events

    ask_correction(image_id=image.pk, correction="invert", actor=Actor.user(staff))
    with pytest.raises(NothingToCorrect):
        ask_correction(image_id=image.pk, correction="invert", actor=Actor.user(staff))


def test_a_correction_whose_source_is_gone_is_said_to_have_failed_and_may_be_asked_for_again(
    sent: Callable[[np.ndarray], Image], staff: User
) -> None:
    image = sent(255 - UPRIGHT)
    ask_correction(image_id=image.pk, correction="invert", actor=Actor.user(staff))
    source = blob_folder(image.site_id, image.sha256) / "source.png"
    aside = source.rename(source.with_name("aside"))

    assert not correct(image.pk)
    assert corrections_asked() == []
    assert AuditEvent.objects.get(action="image:correction_failed").detail["code"] == "not_made"

    aside.rename(source)
    ask_correction(image_id=image.pk, correction="invert", actor=Actor.user(staff))
    assert correct(image.pk)


def ended(request: dict[str, Any], *, seconds: int) -> dict[str, Any]:
    """What a worker answers that is ending."""
    pool = DecoderPool(mebibytes=512)
    pool.close()
    return pool.ask(request, seconds=seconds)


def without_room(_request: dict[str, Any], *, seconds: int) -> dict[str, Any]:
    return {"failed": "storage_full", "cause": "OSError"}


@pytest.mark.parametrize("ask", [ended, without_room])
def test_a_correction_that_a_worker_cannot_make_now_stays_asked_for_and_did_not_fail(
    sent: Callable[[np.ndarray], Image], staff: User, monkeypatch: pytest.MonkeyPatch, ask: Callable[..., Any]
) -> None:
    image = sent(255 - UPRIGHT)
    ask_correction(image_id=image.pk, correction="invert", actor=Actor.user(staff))
    monkeypatch.setattr(POOL, "ask", ask)
    events = AuditEvent.objects.count()

    assert not correct(image.pk)

    assert (corrections_asked(), AuditEvent.objects.count()) == ([image.pk], events)
    monkeypatch.undo()
    assert correct(image.pk)


def test_what_was_made_of_a_picture_is_purged_with_its_upload(sent: Callable[[np.ndarray], Image], staff: User) -> None:
    image = sent(255 - UPRIGHT)
    ask_correction(image_id=image.pk, correction="invert", actor=Actor.user(staff))
    assert correct(image.pk)
    folders = [blob_folder(one.site_id, one.sha256) for one in Image.objects.all()]

    purge_upload(upload_id=image.study.upload_id, actor=Actor.user(staff))

    assert not Image.objects.exists()
    assert not Screening.objects.exists()
    assert [folder.exists() for folder in folders] == [False, False]
