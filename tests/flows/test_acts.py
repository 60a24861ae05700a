import pytest

from screening.audit.actor import Actor
from screening.audit.models import AuditEvent, ChainKind
from screening.audit.services import verify_chain
from screening.errors import CountMismatch, IllegalTransition
from screening.flows.acts import cancel_upload, seal_upload
from screening.flows.again import rescreen_upload, retry_upload
from screening.flows.purge import purge_upload
from screening.results.models import Screening, ScreeningState
from screening.studies.models import Image, StudyState
from screening.uploads import storage
from screening.uploads.models import ItemState, UploadState
from tests.factories import (
    ImageFactory,
    ItemFactory,
    ModelVersionFactory,
    ScreeningFactory,
    StudyFactory,
    UploadFactory,
)

pytestmark = pytest.mark.django_db(transaction=True)
STAFF = Actor("user:1")


def states(upload) -> list[str]:
    return sorted(upload.items.values_list("state", flat=True))


def test_sealing_says_which_files_were_never_sent():
    upload = UploadFactory()
    ItemFactory(upload=upload)
    ItemFactory(upload=upload, received=True)

    seal_upload(upload_id=upload.pk, count=2, actor=STAFF)

    upload.refresh_from_db()
    assert upload.state == UploadState.SEALED
    assert states(upload) == [ItemState.NOT_SENT, ItemState.RECEIVED]


def test_sealing_with_another_count_changes_nothing():
    upload = UploadFactory()
    ItemFactory(upload=upload)

    with pytest.raises(CountMismatch):
        seal_upload(upload_id=upload.pk, count=2, actor=STAFF)

    upload.refresh_from_db()
    assert (upload.state, states(upload)) == (UploadState.OPEN, [ItemState.EXPECTED])
    assert not AuditEvent.objects.exists()


def test_an_upload_without_files_finishes_when_it_is_sealed():
    upload = UploadFactory()

    sealed = seal_upload(upload_id=upload.pk, count=0, actor=STAFF)

    assert sealed.state == UploadState.FINISHED


def test_cancelling_keeps_what_has_an_outcome_and_cancels_what_waits():
    upload = UploadFactory(sealed=True)
    ItemFactory(upload=upload, received=True)
    ItemFactory(upload=upload, accepted=True)
    study = StudyFactory(upload=upload)
    done = ScreeningFactory(image=ImageFactory(study=study), scored=True)
    waiting = ScreeningFactory(image=ImageFactory(study=study), model_version=done.model_version)

    cancel_upload(upload_id=upload.pk, actor=STAFF)

    upload.refresh_from_db()
    done.refresh_from_db()
    waiting.refresh_from_db()
    study.refresh_from_db()
    assert upload.state == UploadState.CANCELLED
    assert states(upload) == [ItemState.ACCEPTED, ItemState.CANCELLED]
    assert (done.state, waiting.state) == (ScreeningState.SCORED, ScreeningState.CANCELLED)
    assert (study.state, study.not_assessed) == (StudyState.INCOMPLETE, True)


def test_a_finished_upload_cannot_be_cancelled():
    upload = UploadFactory(finished=True)

    with pytest.raises(IllegalTransition):
        cancel_upload(upload_id=upload.pk, actor=STAFF)

    upload.refresh_from_db()
    assert upload.state == UploadState.FINISHED


def test_retry_takes_up_failed_files_and_broken_screenings_only():
    upload = UploadFactory(finished=True)
    failed = ItemFactory(upload=upload, state=ItemState.FAILED, incoming="raw", code="storage_full")
    rejected = ItemFactory(upload=upload, state=ItemState.REJECTED, code="unreadable")
    study = StudyFactory(upload=upload, incomplete=True)
    poison = ScreeningFactory(image=ImageFactory(study=study), state=ScreeningState.QUARANTINED, deaths=2)

    assert retry_upload(upload_id=upload.pk, actor=STAFF) == 2

    for row in (upload, failed, rejected, poison, study):
        row.refresh_from_db()
    assert upload.state == UploadState.SEALED
    assert (failed.state, rejected.state) == (ItemState.RECEIVED, ItemState.REJECTED)
    assert (poison.state, poison.alone, poison.deaths) == (ScreeningState.WAITING, True, 0)
    assert study.state == StudyState.SCREENING


def test_another_model_is_asked_without_decoding_and_earlier_results_stay():
    upload = UploadFactory(finished=True)
    study = StudyFactory(upload=upload, ready=True)
    image = ImageFactory(study=study)
    ItemFactory(upload=upload, accepted=True, sha256=image.sha256, study_id=study.pk)
    old = ScreeningFactory(image=image, scored=True)
    new = ModelVersionFactory()

    assert rescreen_upload(upload_id=upload.pk, models=[new.name], actor=STAFF) == 1

    assert Screening.objects.get(model_version=new).state == ScreeningState.WAITING
    old.refresh_from_db()
    assert old.state == ScreeningState.SCORED
    assert rescreen_upload(upload_id=upload.pk, models=[new.name], actor=STAFF) == 0


def test_a_purge_leaves_a_tombstone_and_an_event_and_nothing_else():
    upload = UploadFactory(finished=True, name="ward 7")
    study = StudyFactory(upload=upload, ready=True, external_id="A-17")
    image = ImageFactory(study=study)
    item = ItemFactory(upload=upload, accepted=True, sha256=image.sha256, study_id=study.pk, path="Doe^Jane/1.png")
    ScreeningFactory(image=image, scored=True)
    folder = storage.blob_folder(upload.site_id, image.sha256)
    folder.mkdir(parents=True)
    (folder / "0.jpg").write_bytes(b"preview")

    purge_upload(upload_id=upload.pk, actor=STAFF)

    for row in (upload, study, item):
        row.refresh_from_db()
    assert (study.state, study.external_id) == (StudyState.PURGED, None)
    assert (item.path, upload.name) == ("", "")
    assert not Image.objects.exists()
    assert not Screening.objects.exists()
    assert not folder.exists()
    assert verify_chain(ChainKind.STUDY, study.pk).intact
    assert AuditEvent.objects.filter(action="upload:purged").count() == 1
