"""Whether an upload's files are still on their way: what a study of several files waits for."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from screening.audit.actor import Actor
from screening.flows.settle import judge_studies, upload_has_pending_files
from screening.studies.models import StudyState
from screening.uploads.models import Archive, ArchiveState, ItemState, UploadState
from tests.factories import ImageFactory, ItemFactory, ScreeningFactory, StudyFactory, UploadFactory

pytestmark = pytest.mark.django_db
TEST = Actor.service("test")


def upload_with(**more):
    return UploadFactory(**{"state": UploadState.SEALED, **more})


@pytest.mark.parametrize(
    ("state", "pending"),
    [
        (ItemState.EXPECTED, True),
        (ItemState.RECEIVED, True),
        (ItemState.ACCEPTED, False),
        (ItemState.REJECTED, False),
    ],
)
def test_a_file_without_an_outcome_is_on_its_way(state, pending):
    upload = upload_with()
    ItemFactory(upload=upload, state=state)
    ItemFactory(state=ItemState.RECEIVED)  # of another upload

    assert upload_has_pending_files(upload.pk) is pending


@pytest.mark.parametrize(
    ("state", "pending"),
    [(ArchiveState.RECEIVING, True), (ArchiveState.RECEIVED, True), (ArchiveState.EXPANDED, False)],
)
def test_an_archive_that_is_not_unpacked_holds_files_that_are_on_their_way(state, pending):
    upload = upload_with()
    Archive.objects.create(upload=upload, size=1, state=state)

    assert upload_has_pending_files(upload.pk) is pending


def test_to_an_open_upload_more_may_come():
    assert upload_has_pending_files(upload_with(state=UploadState.OPEN).pk)
    assert not upload_has_pending_files(upload_with().pk)


def test_however_many_files_are_on_their_way_one_row_says_so():
    upload = upload_with()
    ItemFactory.create_batch(30, upload=upload, state=ItemState.RECEIVED)
    study = StudyFactory(upload=upload, state=StudyState.RECEIVING, grouping="uid:1")
    ScreeningFactory(image=ImageFactory(study=study), upload=upload)

    with CaptureQueriesContext(connection) as asked:
        judge_studies([study], actor=TEST)

    assert study.state == StudyState.RECEIVING
    about_files = [query["sql"] for query in asked if "uploads_item" in query["sql"]]
    assert len(about_files) == 1
    with connection.cursor() as cursor:
        cursor.execute(about_files[0])
        assert len(cursor.fetchall()) == 1
