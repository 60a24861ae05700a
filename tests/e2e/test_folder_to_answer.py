"""The whole way with nothing faked: a folder in a real browser, real workers, an answer by keyboard."""

import re
import zipfile
from collections import Counter
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command
from django.urls import reverse
from playwright.sync_api import expect

from ml.models.bundle import list_bundles
from screening.results.models import Screening
from screening.review.models import Review
from screening.studies.models import StudyState
from screening.uploads.models import ItemState, Upload, UploadState
from screening.users.models import Role
from tests.e2e.conftest import PATIENCE, violations
from tests.factories import SiteFactory, UserFactory
from tests.phantoms import dicom_file, png_file, radiograph
from tests.workers.processes import Process, running, until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(900)]
PASSWORD = "a long sentence that nobody guesses"
WORDS = {"flagged": "worklist", "not assessed": "not_assessed", "not flagged": "not_flagged"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Eight radiographs as DICOM, one of them twice, a picture, a text, a zip with a good member and a bad one."""
    folder = tmp_path / "ward"
    folder.mkdir()
    for n in range(8):
        (folder / f"{n}.dcm").write_bytes(dicom_of(n))
    (folder / "again.dcm").write_bytes(dicom_of(0))
    (folder / "plain.png").write_bytes(png_file(radiograph(320, 300, seed=90)))
    (folder / "notes.txt").write_text("not a picture")
    with zipfile.ZipFile(folder / "more.zip", "w") as zipped:
        zipped.writestr("inside/9.dcm", dicom_of(9))
        zipped.writestr("../climbs.dcm", dicom_of(10))
    return folder


def dicom_of(n: int) -> bytes:
    return dicom_file(
        radiograph(400, 380, seed=n),
        StudyInstanceUID=f"1.2.{n + 1}",
        SeriesInstanceUID=f"1.2.{n + 1}.1",
        SOPInstanceUID=f"1.2.{n + 1}.1.1",
        PatientID=f"P{n}",
    )


@pytest.fixture
def workers(broker, child_environment, tmp_path):
    """The two workers of the service, warm, as the supervisor starts them."""
    bundles = [folder for folder in list_bundles(settings.CONFIG.model_root) if folder.parent.name.startswith("xray")]
    call_command("register_model", *map(str, bundles))
    ingest, inference = (Process(name, child_environment(), tmp_path) for name in ("ingest", "inference"))
    with running(ingest, inference):
        for process in (inference, ingest):
            process.start()
        for process in (inference, ingest):
            process.wait_for_beat(240)
        yield ingest, inference


def sign_in(page, user) -> None:
    page.goto(reverse("sign_in"))
    page.get_by_label("User name").fill(user.username)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(re.compile(r"/(upload|uploads|worklist)/"))


def finished(workers, upload: Upload) -> None:
    tails = lambda: "\n".join(worker.tail() for worker in workers)  # noqa: E731 - read only if it is needed
    done = Upload.objects.filter(pk=upload.pk, state=UploadState.FINISHED).exists
    try:
        until(done, 300, "", every=0.2)
    except AssertionError as late:
        raise AssertionError(f"the upload did not finish:\n{tails()}") from late


def test_a_folder_goes_in_and_an_answer_comes_out(workers, browser, live_server, folder):
    site = SiteFactory()
    user = UserFactory(username="ada", role_at=(site, Role.ADMIN))
    user.set_password(PASSWORD)
    user.save()
    context = browser.new_context(base_url=live_server.url, reduced_motion="reduce")
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    sign_in(page, user)

    page.goto(reverse("desk:upload"))
    page.set_input_files("#pick-folder", folder)
    expect(page.locator('[data-panel="preflight"]')).to_contain_text("1 zip")
    page.get_by_role("button", name=re.compile("Send 11 files")).click()
    page.wait_for_url("**/uploads/*/")
    upload = Upload.objects.get()
    finished(workers, upload)

    expect(page.get_by_role("heading", name="finished")).to_be_visible(timeout=20_000)  # without a reload
    assert Counter(upload.items.values_list("state", flat=True)) == {
        ItemState.ACCEPTED: 10,
        ItemState.DUPLICATE: 1,
        ItemState.REJECTED: 2,
    }
    assert set(upload.items.exclude(code="").values_list("code", flat=True)) == {"not_an_image_file", "path_unsafe"}
    page.goto(reverse("desk:receipt", args=[upload.pk]))
    expect(page.get_by_text("13 files were offered; each has one outcome.")).to_be_visible()
    assert violations(page) == []

    study = upload.studies.order_by("created_at").first()
    word = "flagged" if study.flagged else "not assessed" if study.not_assessed else "not flagged"
    page.goto(reverse(f"review:{WORDS[word]}"))
    page.locator(f'a.row-target[href*="{study.pk}"]').click()
    page.wait_for_selector("[data-viewer][data-ready]")
    expect(page.get_by_text("Chain intact")).to_be_visible()
    page.keyboard.press("2")
    page.keyboard.press("Enter")
    expect(page.locator("#answers .notice-good")).to_be_visible()
    study.refresh_from_db()
    assert study.state == StudyState.REVIEWED
    assert Review.objects.get().answer == "absent"
    call_command("verify_integrity")

    answered_on_the_page(page)
    context.close()


def answered_on_the_page(page) -> None:
    """A quick question, warm: the verdict of every model comes without a reload."""
    before = Screening.objects.count()
    page.goto(reverse("desk:quick"))
    page.evaluate("window.stayed = true")
    page.set_input_files("#picture", {"name": "one.dcm", "mimeType": "application/dicom", "buffer": dicom_of(30)})
    expect(page.locator("#verdict .opinion .badge").first).not_to_have_text("waiting", timeout=60_000)
    expect(page.locator("#verdict")).to_contain_text("Open the study")
    assert page.evaluate("window.stayed") is True
    assert Screening.objects.count() == before + 1
