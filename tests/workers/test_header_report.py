"""The report of what became of headers: counts of files by keyword, and nothing of what the headers said."""

import json
import time
from uuid import uuid4

import pytest
from django.urls import reverse

from screening.flows.deidentified import headers_of, note_headers
from screening.studies.values import IngestedFile, ItemOutcome
from screening.uploads.models import Deidentification
from screening.users.models import Role
from tests import phantoms
from tests.factories import ItemFactory, UploadFactory, UserFactory
from tests.people.conftest import signed_in
from workers import ingest

NAME = "Quillfeather^Zebedee"


def drawn(number: int, **tags) -> bytes:
    own = {"SOPInstanceUID": f"1.2.{number}", "StudyInstanceUID": f"1.3.{number}", "SeriesInstanceUID": f"1.4.{number}"}
    return phantoms.dicom_file(phantoms.radiograph(64, 60, seed=number), PatientName=NAME, **own, **tags)


@pytest.fixture
def sent(transactional_db, noop, upload_of):
    files = {
        "a.dcm": drawn(1, InstitutionName="Quillfeather ward"),
        "b.dcm": drawn(2, InstitutionName="Quillfeather ward", PatientAge="093Y", PatientSex="F"),
        "c.dcm": drawn(3),
        "d.png": phantoms.png_file(text=NAME),
        "broken.dcm": b"no picture",
    }
    upload = upload_of(files)
    ingest.CREW.drain()
    return upload


def test_report_counts_the_accepted_files_in_which_each_attribute_was_kept_changed_or_removed(sent):
    headers = headers_of(sent)
    by_keyword = {one.keyword: (one.kept, one.changed, one.removed) for one in headers.attributes}

    assert headers.kinds == {"dicom": 3, "png": 1}
    assert headers.missing == 0
    assert by_keyword["InstitutionName"] == (0, 0, 2)
    assert by_keyword["PatientName"] == (0, 3, 0)
    assert by_keyword["PatientAge"] == (0, 1, 0)
    assert by_keyword["PixelData"] == (3, 0, 0)


def test_report_names_only_options_that_were_applied_and_in_how_many_files(sent):
    assert {one.code: one.files for one in headers_of(sent).methods} == {"113107": 3, "113108": 1}


def test_no_value_of_a_header_is_stored_told_or_shown(sent, staff):
    client = signed_in(staff)
    stored = json.dumps(list(Deidentification.objects.values("kept", "changed", "removed", "kinds", "methods")))
    page = client.get(reverse("desk:deidentification", args=[sent.pk])).content.decode()
    answer = client.get(reverse("api:deidentification", args=[sent.pk]))

    assert "InstitutionName" in stored
    assert "InstitutionName" in page
    assert answer.json()["attributes"]
    for text in (stored, page, answer.content.decode()):
        assert "uillfeather" not in text
        assert "093Y" not in text


def test_same_bytes_sent_again_are_counted_once(sent, upload_of):
    again = upload_of({"copy.dcm": drawn(1, InstitutionName="Quillfeather ward")})
    ingest.CREW.drain()

    assert headers_of(again).kinds == {}


@pytest.mark.django_db
def test_files_read_before_this_was_noted_are_said_to_be_missing():
    upload = UploadFactory(finished=True)
    ItemFactory(upload=upload, accepted=True)

    assert headers_of(upload).missing == 1


@pytest.mark.django_db
def test_reviewers_see_no_report():
    upload = UploadFactory(finished=True)
    reviewer = UserFactory(role_at=(upload.site, Role.REVIEWER))

    assert signed_in(reviewer).get(reverse("desk:deidentification", args=[upload.pk])).status_code == 404


@pytest.mark.django_db
def test_noting_a_chunk_of_64_files_takes_one_row_and_a_few_milliseconds(django_assert_max_num_queries):
    upload = UploadFactory()
    counts = {"kept": dict.fromkeys((f"K{n}" for n in range(60)), 1), "changed": {"PatientName": 1}, "removed": {}}
    file = IngestedFile(kind="dicom", source_name="source.dcm", pixels_sha256="", pictures=(), deidentified=counts)
    items = [ItemFactory(upload=upload, received=True) for _ in range(64)]
    files = [(item, ItemOutcome(item_id=item.pk, file=file)) for item in items]

    started = time.perf_counter()
    with django_assert_max_num_queries(1):
        note_headers(files, accepted={item.pk for item in items})

    assert time.perf_counter() - started < 0.25, "64 decodings take seconds"
    assert upload.deidentifications.get().kept["K0"] == 64
    note_headers(files, accepted={uuid4()})
    assert upload.deidentifications.count() == 1
