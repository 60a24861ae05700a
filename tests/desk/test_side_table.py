"""A spreadsheet that names files, taken over on the page of an upload."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from screening.uploads.models import Reference
from screening.uploads.paths import digest
from screening.users.models import Role
from tests.factories import ItemFactory, SiteFactory, StudyFactory, UploadFactory, UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def upload():
    return UploadFactory(site=SiteFactory())


@pytest.fixture
def send(client, upload):
    client.force_login(UserFactory(role_at=(upload.site, Role.STAFF)))

    def send(content: bytes) -> str:
        table = SimpleUploadedFile("names.csv", content, content_type="text/csv")
        return client.post(reverse("desk:references", args=[upload.pk]), {"table": table}, follow=True).text

    return send


def test_rows_name_studies_that_are_there_and_files_that_are_still_to_come(send, upload):
    study = StudyFactory(site=upload.site, upload=upload)
    ItemFactory(upload=upload, accepted=True, path="a.png", path_digest=digest("a.png"), study_id=study.pk)

    page = send(b"path;x")  # one column, of another name
    assert "does not name a column" in page
    page = send("\ufeffpath,external_id,label,else\r\na.png,case-1,covid,x\r\nb.png,case-2,,\r\n".encode())

    study.refresh_from_db()
    assert "2 rows were taken." in page
    assert "1 row waits for a file to come." in page
    assert (study.external_id, study.reference_label) == ("case-1", "covid")
    assert set(Reference.objects.values_list("external_id", flat=True)) == {"case-1", "case-2"}


def test_a_row_that_cannot_be_taken_is_named_and_the_others_are_taken(send, upload):
    page = send(b"path,external_id\n../up.png,case-1\nb.png,case-2\n")

    assert "1 row was taken." in page
    assert "Row 1:" in page


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"path\n\xff\xfe\n", "not CSV in UTF-8"),
        (b"path,external_id\na.png," + b"x" * 121 + b"\n", "longer than 120 characters"),
        (b"", "empty"),
    ],
)
def test_a_table_that_cannot_be_read_changes_nothing_and_says_why(send, content, said):
    assert said in send(content)
    assert not Reference.objects.exists()
