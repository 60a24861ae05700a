"""From a folder with a broken file to its corrected one: staff read why, take the table away, and send it again."""

import csv
import hashlib
from io import StringIO

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from screening.uploads.models import ItemState, Upload
from screening.users.models import Role
from tests.factories import ItemFactory, ModelVersionFactory, SiteFactory, UploadFactory, UserFactory
from tests.phantoms import png_file, radiograph

pytestmark = pytest.mark.django_db


@pytest.fixture
def site():
    return SiteFactory(name="Here")


@pytest.fixture
def staff(site):
    client = Client()
    client.force_login(UserFactory(username="sam", role_at=(site, Role.STAFF)))
    return client


@pytest.fixture
def version():
    return ModelVersionFactory()


def post(client: Client, address: str, body: object, expected: int) -> dict:
    answer = client.post(address, body, content_type="application/json")
    assert answer.status_code == expected, answer.content
    return answer.json()


def sent(client: Client, files: dict[str, bytes], **asked: object) -> tuple[Upload, dict]:
    """Open an upload, offer the files, send what is missing and seal, as the page does. The upload, and the check."""
    upload = post(client, "/api/v1/uploads/", {"name": "Ward 3"} | asked, 201)
    base = f"/api/v1/uploads/{upload['id']}/"
    offered = [
        {"path": path, "size": len(data), "sha256": hashlib.sha256(data).hexdigest() if data else ""}
        for path, data in files.items()
    ]
    checked = post(client, f"{base}check/", {"files": offered}, 200)
    for one in checked["files"]:
        if one["state"] == "missing":
            file = SimpleUploadedFile("file", files[one["path"]])
            assert client.post(f"{base}files/", {"path": one["path"], "file": file}).status_code == 200
    post(client, f"{base}seal/", {"count": len(files)}, 202)
    return Upload.objects.get(pk=upload["id"]), checked


def test_a_failed_file_is_read_about_corrected_and_sent_again(staff, version):
    first, checked = sent(staff, {"w/good.png": png_file(), "w/empty.dcm": b""})
    assert checked["preflight"]["refused"] == 1

    page = staff.get(reverse("desk:detail", args=[first.pk])).content.decode()
    table = b"".join(staff.get(reverse("desk:failures", args=[first.pk])).streaming_content).decode()
    [failure] = csv.DictReader(StringIO(table))
    assert reverse("desk:failures", args=[first.pk]) in page
    assert (failure["path"], failure["outcome"]) == ("w/empty.dcm", "rejected")
    assert failure["message"]
    assert failure["what_to_do"]

    form = staff.get(reverse("desk:upload"), {"corrects": str(first.pk)}).content.decode()
    assert f'name="corrects" value="{first.pk}"' in form
    second, _ = sent(staff, {"empty.png": png_file(radiograph(seed=3))}, corrects=str(first.pk))

    assert second.items.get().replaces.path == "w/empty.dcm"
    before = staff.get(reverse("desk:receipt", args=[first.pk])).content.decode()
    after = staff.get(reverse("desk:receipt", args=[second.pk])).content.decode()
    assert "Replaced by" in before
    assert "w/empty.dcm" in after
    assert "1 of them has a corrected file" in staff.get(reverse("desk:detail", args=[first.pk])).content.decode()


def test_an_upload_without_failures_offers_nothing_to_correct(staff, site):
    whole = UploadFactory(site=site, finished=True)
    ItemFactory(upload=whole, accepted=True)

    assert "failures.csv" not in staff.get(reverse("desk:detail", args=[whole.pk])).content.decode()
    assert staff.get(reverse("desk:upload"), {"corrects": str(whole.pk)}).context["corrects"] is None


@pytest.mark.parametrize("key", ["", "nonsense", "of another site"])
def test_an_address_that_names_nothing_to_correct_is_the_page_of_a_new_upload(staff, key):
    elsewhere = UploadFactory(finished=True)
    ItemFactory(upload=elsewhere, state=ItemState.REJECTED, code="truncated")
    asked = str(elsewhere.pk) if key == "of another site" else key

    answer = staff.get(reverse("desk:upload"), {"corrects": asked})

    assert (answer.status_code, answer.context["corrects"]) == (200, None)


def test_an_upload_of_another_site_is_not_corrected_through_the_api(staff, version):
    elsewhere = UploadFactory(finished=True)

    post(staff, "/api/v1/uploads/", {"corrects": str(elsewhere.pk)}, 404)

    assert not Upload.objects.filter(corrects__isnull=False).exists()


def test_an_integrator_corrects_what_they_sent_themselves_alone(site, version):
    client, robot = Client(), UserFactory(role_at=(site, Role.INTEGRATOR))
    client.force_login(robot)
    own, others = UploadFactory(site=site, created_by=robot, finished=True), UploadFactory(site=site, finished=True)

    assert post(client, "/api/v1/uploads/", {"corrects": str(own.pk)}, 201)["corrects"] == str(own.pk)
    post(client, "/api/v1/uploads/", {"corrects": str(others.pk)}, 403)
