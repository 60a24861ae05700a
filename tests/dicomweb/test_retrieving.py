"""WADO-RS and QIDO-RS over objects that ingest kept, and headers that the worker wrote."""

from collections.abc import Callable, Iterator
from email import message_from_bytes
from email.policy import HTTP
from io import BytesIO
from pathlib import Path

import pytest
from django.db import connection
from pydicom import Dataset, dcmread
from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless
from rest_framework.test import APIClient

from ml.vocabulary import pseudonymous_uid
from screening.audit.actor import Actor
from screening.dicomweb.models import Catalogued, DicomHeader
from screening.flows.purge import purge_study
from screening.studies.models import Image, Study
from screening.uploads.models import Upload
from screening.uploads.storage import blob_folder
from screening.users.keys import fresh_key, site_key
from screening.users.models import Role, Scope, Site, User
from tests.api.conftest import refusal
from tests.dicomweb.conftest import object_of
from tests.dicomweb.test_server import token_of
from tests.dicomweb.test_storing import stow
from tests.factories import SiteFactory, UserFactory
from tests.phantoms import png_file
from tests.workers.conftest import end_decoders, noop, site, staff, upload_of
from workers import catalogue, ingest

__all__ = ["end_decoders", "noop", "site", "staff", "upload_of"]
pytestmark = pytest.mark.django_db(transaction=True)
ROOT = "/dicomweb/studies"
MANY = 'multipart/related; type="application/dicom"'


def client_of(user: User, at: Site, scope: Scope = Scope.READ) -> APIClient:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Token {token_of(user, at, scope)}")
    return client


@pytest.fixture
def reader(site: Site) -> APIClient:
    return client_of(UserFactory(role_at=(site, Role.REVIEWER)), site)


@pytest.fixture
def kept(upload_of: Callable[..., Upload], noop: object, stores: Path) -> Upload:
    """Three objects in two studies, one of them compressed and without a date, and a plain picture."""
    files = {
        "a.dcm": object_of(1, InstanceNumber=2),
        "b.dcm": object_of(2, study=1, InstanceNumber=1),
        "c.dcm": object_of(3, syntax=JPEG2000Lossless, modality="CR", StudyDate=""),
        "d.png": png_file(),
    }
    upload = upload_of(files)
    ingest.CREW.drain()
    return upload


@pytest.fixture
def told(kept: Upload) -> Upload:
    """The same once their headers are written."""
    assert catalogue.CREW.drain() == 1
    return kept


def uid(site: Site, original: str) -> str:
    return pseudonymous_uid(site_key(site.pk), original)


def address(site: Site, study: int, number: int = 0) -> str:
    found = f"{ROOT}/{uid(site, f'1.2.3.6.{study}')}"
    series = f"{found}/series/{uid(site, f'1.2.3.5.{study}')}"
    return f"{series}/instances/{uid(site, f'1.2.3.4.{number}')}" if number else found


def get(client: APIClient, where: str, accept: str = MANY, **query: str):
    return client.get(where, query, headers={"Accept": accept})


def objects_of(answer) -> list[Dataset]:
    """Read the parts of an answer as a client does."""
    assert answer.status_code == 200, answer.content
    head = f"Content-Type: {answer.headers['Content-Type']}\r\n\r\n".encode()
    whole = message_from_bytes(head + b"".join(answer.streaming_content), policy=HTTP)
    return [dcmread(BytesIO(part.get_payload(decode=True))) for part in whole.iter_parts()]


def test_a_study_a_series_and_an_object_come_back_as_they_are_kept(told, site, reader):
    study = objects_of(get(reader, address(site, 1)))
    series = objects_of(get(reader, address(site, 1, 1).rpartition("/instances/")[0]))
    [one] = objects_of(get(reader, address(site, 1, 2)))

    assert study == series
    assert {found.SOPInstanceUID for found in study} == {uid(site, "1.2.3.4.1"), uid(site, "1.2.3.4.2")}
    assert one in study
    assert {found.PatientIdentityRemoved for found in study} == {"YES"}
    image = Image.objects.get(instance_uid=one.SOPInstanceUID)
    bare = get(reader, address(site, 1, 2), "application/dicom")
    assert bare.headers["Content-Type"] == "application/dicom"
    assert bare.getvalue() == (blob_folder(site.pk, image.sha256) / "source.dcm").read_bytes()


def test_objects_are_given_in_the_syntax_that_they_came_in_and_in_no_other(told, site, reader):
    stored = f"{MANY}; transfer-syntax={JPEG2000Lossless}"

    [found] = objects_of(get(reader, address(site, 3), stored))
    other = get(reader, address(site, 3), f"{MANY}; transfer-syntax={ExplicitVRLittleEndian}")

    assert found.file_meta.TransferSyntaxUID == JPEG2000Lossless
    assert refusal(other) == (406, "not_acceptable")


@pytest.mark.parametrize("accept", ["image/jpeg", 'multipart/related; type="application/octet-stream"'])
def test_pictures_and_bulk_data_are_not_given(told, site, reader, accept):
    assert refusal(get(reader, address(site, 1), accept)) == (406, "not_acceptable")


def test_metadata_tell_all_but_the_pixels_of_the_kept_object(told, site, reader):
    answer = get(reader, f"{address(site, 1, 1)}/metadata", "application/dicom+json")

    assert answer.headers["Content-Type"] == "application/dicom+json"
    [metadata] = answer.json()
    [kept] = objects_of(get(reader, address(site, 1, 1)))
    del kept.PixelData
    assert Dataset.from_json(metadata) == kept
    assert len(get(reader, f"{address(site, 1)}/metadata", "*/*").json()) == 2


def test_metadata_that_are_not_written_yet_are_promised_and_the_object_comes_at_once(kept, site, reader):
    answer = get(reader, f"{address(site, 1, 1)}/metadata", "application/dicom+json")

    assert refusal(answer) == (503, "metadata_pending")
    assert answer.headers["Retry-After"] == "5"
    assert len(objects_of(get(reader, address(site, 1)))) == 2


def test_nobody_of_another_site_finds_or_gets_anything(told, site):
    elsewhere = SiteFactory()
    stranger = client_of(UserFactory(role_at=(elsewhere, Role.ADMIN)), elsewhere)

    for where in (address(site, 1), f"{address(site, 1)}/metadata", address(site, 1, 1)):
        assert refusal(get(stranger, where, "*/*")) == (404, "not_found")
    assert get(stranger, ROOT, "*/*").json() == []
    assert get(stranger, f"{address(site, 1)}/series", "*/*").json() == []


def test_original_identifiers_lead_to_nothing(told, reader):
    assert refusal(get(reader, f"{ROOT}/1.2.3.6.1")) == (404, "not_found")
    assert get(reader, ROOT, "*/*", StudyInstanceUID="1.2.3.6.1").json() == []


def test_studies_are_found_with_what_is_counted_of_them(told, site, reader):
    found = get(reader, ROOT, "application/dicom+json").json()

    by_uid = {one["0020000D"]["Value"][0]: one for one in found}
    assert set(by_uid) == {uid(site, "1.2.3.6.1"), uid(site, "1.2.3.6.3")}
    first = by_uid[uid(site, "1.2.3.6.1")]
    assert first["00081190"]["Value"] == [f"http://testserver{address(site, 1)}"]
    assert [first[tag]["Value"] for tag in ("00080061", "00201206", "00201208")] == [["DX"], [1], [2]]
    assert first["00100020"]["Value"] == [Study.objects.get(grouping=f"uid:{uid(site, '1.2.3.6.1')}").patient.pseudonym]


def shifted_date() -> str:
    day = DicomHeader.objects.exclude(study_date=None).values_list("study_date", flat=True).first()
    assert day is not None
    return day.strftime("%Y%m%d")


def test_studies_are_found_by_what_is_kept_of_them(told, site, reader):
    def found(**query: str) -> list[str]:
        return sorted(one["0020000D"]["Value"][0] for one in get(reader, ROOT, "*/*", **query).json())

    one, three, day = uid(site, "1.2.3.6.1"), uid(site, "1.2.3.6.3"), shifted_date()
    both = sorted([one, three])
    assert found(StudyInstanceUID=one) == [one]
    assert found(**{"0020000D": f"{one},{three}"}) == both
    assert found(ModalitiesInStudy="CR") == [three]
    assert found(StudyDate=day) == found(StudyDate=f"{day}-") == found(StudyDate=f"-{day}") == [one]
    assert found(StudyDate="20240229") == []  # as the scanner gave it
    assert found(PatientID=Study.objects.get(grouping=f"uid:{three}").patient.pseudonym) == [three]
    pages = found(limit="1") + found(limit="1", offset="1")
    assert sorted(pages) == both
    assert found(offset="2") == []


def test_series_and_objects_are_found_within_a_study_and_everywhere(told, site, reader):
    [series] = get(reader, f"{address(site, 1)}/series", "*/*").json()
    inside = get(reader, f"{address(site, 1)}/instances", "*/*").json()
    of_series = get(reader, f"{address(site, 1, 1).rpartition('/')[0]}", "*/*").json()
    everywhere = get(reader, "/dicomweb/instances", "*/*").json()
    one = get(reader, "/dicomweb/instances", "*/*", SOPInstanceUID=uid(site, "1.2.3.4.2")).json()

    assert series["00201209"]["Value"] == [2]
    assert len(inside) == 2
    assert inside == of_series
    assert len(everywhere) == 3
    assert [found["00200013"]["Value"] for found in one] == [[1]]
    assert get(reader, one[0]["00081190"]["Value"][0].removeprefix("http://testserver")).status_code == 200
    assert len(get(reader, "/dicomweb/series", "*/*", Modality="DX").json()) == 1


@pytest.mark.parametrize(
    "query",
    [
        {"PatientName": "Phantom^Drawn"},
        {"SOPInstanceUID": "1.2"},  # not at this level
        {"StudyDate": "2024-01-01"},
        {"StudyDate": "-"},
        {"StudyDate": "20240230"},
        {"limit": "many"},
    ],
)
def test_what_cannot_be_searched_is_refused_and_not_repeated(told, reader, query):
    answer = get(reader, ROOT, "*/*", **query)

    assert refusal(answer) == (400, "invalid")
    assert not any(value in answer.json()["message"] for value in query.values() if len(value) > 1)


@pytest.fixture
def no_nul_is_taken() -> Iterator[None]:
    """Let every database refuse what PostgreSQL refuses."""

    def strict(execute, sql, values, many, context):
        assert "\0" not in "".join(str(value) for value in values or ())
        return execute(sql, values, many, context)

    with connection.execute_wrapper(strict):
        yield


@pytest.mark.parametrize("part", ["", "/metadata", "/series/1.2", "/series/1.2/instances/1.2"])
def test_an_address_that_holds_no_identifier_leads_to_nothing(reader, no_nul_is_taken, part):
    names = ("1.2%00", "1.2%0A", "1" * 65, "%00")

    assert [refusal(get(reader, f"{ROOT}/{name}{part}", "*/*")) for name in names] == [(404, "not_found")] * 4
    for name in names:
        assert refusal(get(reader, f"{ROOT}/1.2/series/{name}", "*/*")) == (404, "not_found")
        assert refusal(get(reader, f"{ROOT}/1.2/series/1.2/instances/{name}", "*/*")) == (404, "not_found")


@pytest.mark.parametrize("name", ["StudyInstanceUID", "ModalitiesInStudy", "PatientID", "SOPClassUID", "Modality"])
def test_a_search_for_control_characters_is_refused(reader, no_nul_is_taken, name):
    for value in ("1\0", "\0", "1\n"):
        assert refusal(get(reader, "/dicomweb/instances", "*/*", **{name: value}))[0] == 400
    assert refusal(get(reader, f"{ROOT}/1%00/instances", "*/*")) == (400, "invalid")
    assert refusal(get(reader, f"{ROOT}/1/series/1%00/instances", "*/*")) == (400, "invalid")


def test_matching_that_is_not_fuzzy_says_so(told, reader):
    answer = get(reader, ROOT, "*/*", fuzzymatching="true", includefield="all")

    assert answer.status_code == 200
    assert "fuzzymatching" in answer.headers["Warning"]


def test_a_deleted_study_is_found_no_more(told, site, reader):
    study = Study.objects.get(grouping=f"uid:{uid(site, '1.2.3.6.1')}")

    purge_study(study_id=study.pk, actor=Actor.service("test"))

    assert refusal(get(reader, address(site, 1))) == (404, "not_found")
    assert [one["0020000D"]["Value"][0] for one in get(reader, ROOT, "*/*").json()] == [uid(site, "1.2.3.6.3")]
    assert DicomHeader.objects.count() == 1


def test_headers_are_written_once_and_what_comes_later_is_found(told, upload_of, site):
    before = list(DicomHeader.objects.order_by("pk").values_list("pk", flat=True))
    assert catalogue.CREW.drain() == 0
    mark = Catalogued.objects.get().number

    upload_of({"late.dcm": object_of(9, study=1)})
    ingest.CREW.drain()

    assert catalogue.CREW.drain() == 1
    assert DicomHeader.objects.count() == len(before) + 1
    catalogue.CREW.drain()
    assert Catalogued.objects.get().number > mark


def test_an_object_whose_file_is_damaged_holds_up_no_other(kept, site, reader):
    image = Image.objects.get(instance_uid=uid(site, "1.2.3.4.1"))
    (blob_folder(site.pk, image.sha256) / "source.dcm").write_bytes(b"")

    assert catalogue.CREW.drain() == 1
    assert catalogue.CREW.drain() == 0
    assert len(get(reader, "/dicomweb/instances", "*/*").json()) == 2


def addresses_in(answers: list[dict]) -> list[str]:
    """The `RetrieveURL` of each answer, as a path."""
    return [one["00081190"]["Value"][0].removeprefix("http://testserver") for one in answers]


def test_after_the_key_was_rotated_every_address_of_search_leads_to_what_was_found(told, site, reader):
    fresh_key(site.pk).take_over()

    found = [
        address
        for level in ("studies", "series", "instances")
        for address in addresses_in(get(reader, f"/dicomweb/{level}", "*/*").json())
    ]

    assert len(found) == 2 + 2 + 3
    assert [where for where in found if not objects_of(get(reader, where))] == []


def test_an_object_that_was_kept_under_an_earlier_key_is_told_with_the_address_that_leads_to_it(told, site, reader):
    before = address(site, 1, 1)
    fresh_key(site.pk).take_over()
    sender = client_of(UserFactory(role_at=(site, Role.INTEGRATOR)), site, Scope.UPLOAD)

    answer = stow(sender, object_of(1, InstanceNumber=2), object_of(7)).json()

    again, new = addresses_in(answer["00081199"]["Value"])
    assert again == before
    assert len(objects_of(get(reader, again))) == 1
    ingest.CREW.drain()
    assert new == address(site, 7, 7)
    assert len(objects_of(get(reader, new))) == 1
