"""Each promise broken on purpose, and the question that finds it."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from screening.flows.integrity import find_violations
from screening.outbox.models import Delivery, Endpoint, SendState
from screening.results.models import Screening, ScreeningState
from screening.studies.models import Image
from screening.uploads.models import Archive, ArchiveState, Item, ItemState, Upload, UploadState
from screening.uploads.storage import blob_folder, incoming_path
from screening.users.models import Site
from tests.factories import ImageFactory, ItemFactory, ScreeningFactory, SiteFactory, StudyFactory, UploadFactory
from tests.workers.conftest import noop, site, staff, upload_of
from tests.workers.test_ingest import ingest_all, radiographs

__all__ = ["noop", "site", "staff", "upload_of"]
pytestmark = pytest.mark.django_db(transaction=True)


def found(check: str) -> list[str]:
    return [violation.subject for violation in find_violations() if violation.check == check]


@pytest.fixture
def image(upload_of, noop) -> Image:
    upload_of(radiographs(1))
    ingest_all()
    assert list(find_violations()) == []
    return Image.objects.get()


@pytest.mark.parametrize("name", ["source.dcm", "0.jpg"])
def test_a_kept_file_that_is_gone_is_found(image, name):
    (blob_folder(image.site_id, image.sha256) / name).unlink()

    assert found("blobs") == [image.sha256]


def test_a_plane_with_one_other_bit_is_found_and_one_that_is_gone_can_be_made_again(image):
    plane = blob_folder(image.site_id, image.sha256) / "0.plane"
    content = bytearray(plane.read_bytes())
    content[1000] ^= 1
    plane.write_bytes(content)

    assert found("blobs") == [image.sha256]

    plane.unlink()
    assert found("blobs") == []


@pytest.mark.parametrize("state", [ItemState.RECEIVED, ItemState.FAILED])
def test_a_file_that_waits_without_its_bytes_is_found(state):
    item = ItemFactory(state=state, incoming="raw-of-a-waiting-file")
    path = incoming_path(item.incoming)
    path.write_bytes(b"raw")
    assert found("incoming") == []

    path.unlink()

    assert found("incoming") == [str(item.pk)]


def test_an_archive_that_waits_without_its_bytes_is_found():
    archive = Archive.objects.create(
        upload=UploadFactory(), size=3, offset=3, state=ArchiveState.RECEIVED, incoming="no-such-zip"
    )

    assert found("incoming") == [str(archive.pk)]


@pytest.mark.parametrize("state", [None, ItemState.NOT_SENT, ItemState.CANCELLED])
def test_a_duplicate_that_leads_to_nothing_is_found(state):
    upload = UploadFactory(finished=True)
    original = ItemFactory(upload=upload, state=state) if state else None
    item = ItemFactory(upload=upload, state=ItemState.DUPLICATE, duplicate_of=original)

    assert found("duplicates") == [str(item.pk)]


def test_a_duplicate_of_a_picture_a_study_or_a_reason_is_none():
    upload = UploadFactory()
    study = StudyFactory(upload=upload)
    ItemFactory(upload=upload, state=ItemState.DUPLICATE, sha256=ImageFactory(study=study).sha256)
    ItemFactory(upload=upload, state=ItemState.DUPLICATE, study_id=study.pk)
    for state, code in ((ItemState.REJECTED, "unreadable"), (ItemState.EXPECTED, "")):
        original = ItemFactory(upload=upload, state=state, code=code)
        ItemFactory(upload=upload, state=ItemState.DUPLICATE, duplicate_of=original)

    assert found("duplicates") == []


def test_a_picture_of_another_site_is_no_picture_of_an_accepted_file():
    elsewhere = ImageFactory()
    item = ItemFactory(accepted=True, sha256=elsewhere.sha256)

    assert Site.objects.count() == 2
    assert found("accepted") == [str(item.pk)]


def test_rows_of_a_cancelled_upload_that_still_wait_are_found():
    row = ScreeningFactory()
    Upload.objects.update(state=UploadState.CANCELLED)

    assert found("sums") == [str(row.upload_id)]
    assert Item.objects.count() + Screening.objects.count() == 1


@pytest.mark.parametrize("kind", ["trial", "archive", "delivery"])
def test_a_lease_that_nobody_frees_is_found_in_every_lane(kind):
    late = {"lease_token": uuid4(), "lease_until": timezone.now() - timedelta(minutes=6)}
    if kind == "trial":
        row = ScreeningFactory(trial=True, state=ScreeningState.LEASED, **late)
    elif kind == "archive":
        row = Archive.objects.create(upload=UploadFactory(), state=ArchiveState.EXPANDING, size=1, **late)
    else:
        endpoint = Endpoint.objects.create(site=SiteFactory(), url="https://example.org/")
        told = {"kind": "test", "subject": endpoint.pk, "subject_state": "", "change_number": 0}
        row = Delivery.objects.create(endpoint=endpoint, state=SendState.LEASED, **told, **late)

    assert found("stuck") == [str(row.pk)]
