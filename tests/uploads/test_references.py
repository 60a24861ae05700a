import pytest
from django.utils import timezone

from screening.audit.models import AuditEvent
from screening.errors import IllegalTransition
from screening.flows.naming import unmatched
from screening.flows.references import ReferenceRow, record_references
from screening.studies.models import SiteChange, StudyState
from screening.uploads.models import Archive, ArchiveState, Reference, UploadState
from screening.uploads.paths import digest
from tests.factories import ItemFactory, StudyFactory, UploadFactory
from tests.uploads.bringing import STAFF

pytestmark = pytest.mark.django_db


@pytest.fixture
def upload():
    return UploadFactory()


def record(upload, *rows):
    return record_references(upload_id=upload.pk, rows=[ReferenceRow(**row) for row in rows], actor=STAFF).refused


def study_of(upload, path, **values):
    study = StudyFactory(upload=upload, ready=True, **values)
    ItemFactory(upload=upload, accepted=True, path=path, path_digest=digest(path), study_id=study.pk)
    return study


def test_rows_wait_for_files_that_are_still_to_come(upload):
    assert record(upload, {"path": "./ward\\a.png", "external_id": "case-1", "label": "covid"}) == []

    reference = Reference.objects.get()
    assert (reference.external_id, reference.label) == ("case-1", "covid")
    assert reference.path_digest == digest("ward/a.png")


def test_the_last_row_for_a_path_counts(upload):
    record(upload, {"path": "a.png", "external_id": "case-1"})

    record(upload, {"path": "a.png", "external_id": "case-2"}, {"path": "./a.png", "external_id": "case-3"})

    assert Reference.objects.get().external_id == "case-3"


def test_a_study_that_is_there_gets_its_identifier_and_a_new_change_number(upload):
    study = study_of(upload, "a.png")

    assert record(upload, {"path": "a.png", "external_id": "case-1", "label": "covid"}) == []

    study.refresh_from_db()
    assert (study.external_id, study.reference_label, study.change_number) == ("case-1", "covid", 1)
    assert SiteChange.objects.get(pk=upload.site_id).number == 1


def test_the_same_rows_again_change_no_study(upload):
    study = study_of(upload, "a.png")
    record(upload, {"path": "a.png", "external_id": "case-1"})

    record(upload, {"path": "a.png", "external_id": "case-1"})

    study.refresh_from_db()
    assert study.change_number == 1


def test_an_identifier_that_another_study_of_the_site_carries_is_refused(upload):
    StudyFactory(upload=UploadFactory(site=upload.site), external_id="case-1")
    study = study_of(upload, "b.png")

    [refused] = record(upload, {"path": "a.png", "external_id": "case-9"}, {"path": "b.png", "external_id": "case-1"})

    study.refresh_from_db()
    assert (refused.row, refused.code, study.external_id) == (1, "external_id_taken", None)


def test_one_identifier_for_two_studies_of_a_table_goes_to_one_of_them(upload):
    study_of(upload, "a.png")
    study_of(upload, "b.png")

    refused = record(upload, {"path": "a.png", "external_id": "x"}, {"path": "b.png", "external_id": "x"})

    assert [one.code for one in refused] == ["external_id_taken"]
    assert upload.studies.filter(external_id="x").count() == 1


def test_two_sites_may_use_the_same_identifier(upload):
    StudyFactory(external_id="case-1")
    study_of(upload, "a.png")

    assert record(upload, {"path": "a.png", "external_id": "case-1"}) == []


def test_a_row_for_a_path_that_no_file_can_have_is_refused_and_the_others_are_taken(upload):
    [refused] = record(upload, {"path": "../a.png", "external_id": "x"}, {"path": "b.png", "external_id": "y"})

    assert (refused.row, refused.code) == (0, "path_unsafe")
    assert Reference.objects.get().external_id == "y"


def test_a_purged_study_gets_no_identifier(upload):
    study = study_of(upload, "a.png")
    type(study).objects.update(state=StudyState.PURGED)

    record(upload, {"path": "a.png", "external_id": "case-1"})

    study.refresh_from_db()
    assert study.external_id is None


def test_a_purged_upload_takes_no_rows(upload):
    upload.purged_at = timezone.now()
    upload.save()

    with pytest.raises(IllegalTransition):
        record(upload, {"path": "a.png", "external_id": "x"})

    assert not Reference.objects.exists()


def test_the_audit_says_how_many_rows_came_and_nothing_of_what_they_say(upload):
    record(upload, {"path": "Doe/a.png", "external_id": "case-1", "label": "covid"})

    event = AuditEvent.objects.get()
    assert (event.action, event.detail) == ("upload:references", {"rows": 1})


@pytest.mark.parametrize("state", [UploadState.SEALED, UploadState.FINISHED, UploadState.CANCELLED])
def test_a_row_for_a_path_that_no_file_has_is_refused_once_no_file_can_come(upload, state):
    study = study_of(upload, "a.png")
    upload.state = state
    upload.save()

    refused = record(
        upload,
        {"path": "nosuch.dcm", "external_id": "x"},
        {"path": "a.png", "external_id": "case-1"},
        {"path": "nosuch.dcm", "external_id": "y"},
    )

    study.refresh_from_db()
    assert [(one.row, one.code) for one in refused] == [(0, "no_such_path"), (2, "no_such_path")]
    assert study.external_id == "case-1"
    assert Reference.objects.get().external_id == "case-1"


def test_rows_wait_while_a_zip_of_a_sealed_upload_is_unpacked(upload):
    upload.state = UploadState.SEALED
    upload.save()
    Archive.objects.create(upload=upload, size=9, incoming="a", state=ArchiveState.EXPANDING)

    assert record(upload, {"path": "in/zip.png", "external_id": "x"}) == []
    assert unmatched(upload) == 1
