"""Documents of a study, the report of headers and the page of the key in a real browser, in both themes."""

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from screening.flows.documents import Kind, wanted
from screening.flows.explained import files_of
from screening.uploads.models import Deidentification
from screening.uploads.storage import blob_folder
from screening.users.models import Role
from tests.e2e.conftest import faults_seen
from tests.factories import (
    ExplanationFactory,
    ImageFactory,
    ItemFactory,
    ScreeningFactory,
    StudyFactory,
    UploadFactory,
    UserFactory,
)
from tests.phantoms import jpeg_file

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def study(monkeypatch):
    monkeypatch.setattr("screening.flows.documents.publish", lambda *_, **__: True)  # no worker: the test is one
    study = StudyFactory(flagged_ready=True)
    image = ImageFactory(study=study)
    folder = blob_folder(image.site_id, image.sha256)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "0.jpg").write_bytes(jpeg_file())
    drawn = ExplanationFactory(screening=ScreeningFactory(image=image, scored_flagged=True), drawn=True)
    for file in files_of(drawn):
        file.write_bytes(jpeg_file())
    return study


@pytest.fixture
def admin(study):
    return UserFactory(username="m.okafor", role_at=(study.site, Role.ADMIN))


def test_a_document_is_prepared_and_then_offered_on_the_page_of_the_study(study, admin, enter):
    page = enter(admin, reverse("review:study", args=[study.pk]))
    part = page.locator("#documents")

    part.get_by_role("button", name="Prepare DICOM structured report").click()
    expect(part.get_by_text("is being made")).to_be_visible()
    wanted(study, Kind.REPORT).path.write_bytes(b"a report")

    link = part.get_by_role("link", name="Download DICOM structured report")
    expect(link).to_be_visible()
    assert link.get_attribute("href") == reverse("api:report", args=[study.pk])
    part.scroll_into_view_if_needed()
    assert faults_seen(page, "documents") == []


def test_nothing_is_wrong_with_the_pages_of_headers_and_key(study, admin, enter):
    upload = UploadFactory(site=study.site, created_by=admin, finished=True, name="Monday")
    ItemFactory(upload=upload, accepted=True)
    Deidentification.objects.create(
        upload=upload,
        kinds={"dicom": 3, "png": 1},
        kept={"Rows": 3, "PixelData": 3},
        changed={"PatientName": 3, "StudyDate": 3},
        removed={"InstitutionName": 2, "private": 3},
        methods={"113107": 3, "113108": 1},
    )
    page = enter(admin, reverse("desk:deidentification", args=[upload.pk]))
    found = faults_seen(page, "deidentification")
    page.goto(reverse("site_key", args=[study.site_id]))

    assert found + faults_seen(page, "key") == []
