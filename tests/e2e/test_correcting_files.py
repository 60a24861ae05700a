"""Staff read why a file failed, take the failures away, and send the corrected file back, in a real browser."""

import csv

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from screening.uploads.models import Item, Upload
from tests.e2e.conftest import faults_seen
from tests.e2e.scene import a_site_at_work
from tests.phantoms import png_file, radiograph

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def scene():
    return a_site_at_work()


def test_staff_upload_a_folder_read_the_preflight_and_fix_a_failed_file(scene, enter, tmp_path):
    folder = tmp_path / "ward"
    folder.mkdir()
    (folder / "good.png").write_bytes(png_file(radiograph(64, 60, seed=100)))
    (folder / "broken.dcm").write_bytes(b"")
    page = enter(scene.staff, reverse("desk:upload"))
    page.set_input_files("#pick-folder", folder)
    expect(page.locator('[data-panel="preflight"]')).to_contain_text("1 file refused: The file is empty.")
    page.get_by_role("button", name="Send 1 file").click()
    page.wait_for_url("**/uploads/*/")
    first = Upload.objects.exclude(pk=scene.upload.pk).get()

    with page.expect_download() as download:
        page.get_by_role("link", name="Failures as CSV").click()
    with download.value.path().open(newline="") as table:
        [failure] = csv.DictReader(table)
    assert (failure["path"], failure["message"]) == ("ward/broken.dcm", "The file is empty.")
    found = faults_seen(page, "failures")

    page.get_by_role("link", name="Send corrected files").click()
    expect(page.get_by_text("These are corrected files of")).to_be_visible()
    found += faults_seen(page, "upload-corrects")
    corrected = tmp_path / "broken.png"
    corrected.write_bytes(png_file(radiograph(64, 60, seed=101)))
    page.set_input_files("#pick-files", corrected)
    page.get_by_role("button", name="Send 1 file").click()
    expect(page.get_by_role("link", name="corrected files of an earlier upload")).to_be_visible()

    second = Upload.objects.get(corrects=first)
    assert second.items.get().replaces == Item.objects.get(path="ward/broken.dcm")
    page.goto(reverse("desk:receipt", args=[first.pk]))
    expect(page.get_by_text("Replaced by broken.png")).to_be_visible()
    found += faults_seen(page, "receipt-replaced")
    page.goto(reverse("desk:receipt", args=[second.pk]))
    expect(page.get_by_text("Replaces ward/broken.dcm")).to_be_visible()
    found += faults_seen(page, "receipt-replaces")
    assert found == []
