"""An upload that stopped goes on: by whatever way its files are chosen again, and nothing arrives twice."""

import hashlib
import os
import zipfile

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from screening.audit.actor import Actor
from screening.flows.offering import Offered, check_files, open_upload
from screening.flows.receiving import receive_file
from screening.uploads.models import Archive, ArchiveState, ItemState, Upload, UploadState
from screening.uploads.storage import incoming_path
from screening.users.models import Role
from tests.e2e.conftest import faults_seen
from tests.factories import SiteFactory, UserFactory
from tests.phantoms import png_file, radiograph

pytestmark = pytest.mark.django_db(transaction=True)
PART = 8 * 1024 * 1024


@pytest.fixture
def user():
    return UserFactory(username="sam", role_at=(SiteFactory(), Role.STAFF))


@pytest.fixture
def pictures(tmp_path):
    """Two radiographs."""
    folder = tmp_path / "ward"
    folder.mkdir()
    for name in ("a.png", "b.png"):
        (folder / name).write_bytes(png_file(radiograph(64, 60, seed=ord(name[0]))))
    return folder


@pytest.fixture
def zips(tmp_path):
    """Two zips of one size and different bytes, each of two parts."""
    files = [tmp_path / "first.zip", tmp_path / "second.zip"]
    for file in files:
        with zipfile.ZipFile(file, "w") as zipped:
            zipped.writestr("a.bin", os.urandom(PART + 100_000))
    return files


def begun(user, *files, name="ward", prefix=""):
    """An upload to which files were offered, and of which the first arrived."""
    upload = open_upload(site=user.memberships.get().site, user=user, name=name, models=[])
    offered = [
        Offered(path=prefix + file.name, size=file.stat().st_size, sha256=hashlib.sha256(file.read_bytes()).hexdigest())
        for file in files
    ]
    check_files(upload_id=upload.pk, files=offered)
    first = files[0]
    receive_file(upload_id=upload.pk, path=prefix + first.name, parts=[first.read_bytes()], actor=Actor.user(user))
    return upload


def states(upload):
    return dict(upload.items.values_list("path", "state"))


def test_loose_files_go_on_under_their_own_paths(user, enter, pictures):
    a, b = pictures / "a.png", pictures / "b.png"
    upload = begun(user, a, b, name="")
    page = enter(user, reverse("desk:upload"))

    page.get_by_role("link", name="Continue").click()
    expect(page.get_by_role("heading", name="Continuing Unnamed upload")).to_be_visible()
    expect(page.locator("[data-options]")).to_be_hidden()
    assert faults_seen(page, "continuing") == []
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Choose files or a zip").click()
    chooser.value.set_files([a, b])
    page.get_by_role("button", name="Send 1 file").click()
    page.wait_for_url(f"**/uploads/{upload.pk}/")

    assert states(upload) == {"a.png": ItemState.RECEIVED, "b.png": ItemState.RECEIVED}
    assert Upload.objects.get().state == UploadState.SEALED


def test_another_choice_than_before_is_said_with_what_it_would_cost(user, enter, pictures):
    begun(user, pictures / "a.png", pictures / "b.png", name="")
    page = enter(user, reverse("desk:upload"))

    page.get_by_role("link", name="Continue").click()
    expect(page.get_by_role("heading", name="Continuing Unnamed upload")).to_be_visible()
    page.set_input_files("#pick-folder", pictures)

    expect(page.locator('[data-panel="preflight"]')).to_contain_text(
        "1 file that this upload still waits for is not among these, by path."
    )


def test_the_page_of_an_open_upload_leads_to_the_zone_that_continues_it(user, enter, pictures):
    upload = begun(user, pictures / "a.png", pictures / "b.png", prefix="ward/")
    page = enter(user, reverse("desk:detail", args=[upload.pk]))

    page.get_by_role("link", name="Continue sending").click()
    expect(page.get_by_role("heading", name="Continuing ward")).to_be_visible()
    page.set_input_files("#pick-folder", pictures)
    page.get_by_role("button", name="Send 1 file").click()
    page.wait_for_url(f"**/uploads/{upload.pk}/")

    assert set(states(upload).values()) == {ItemState.RECEIVED}
    assert Upload.objects.count() == 1


def test_the_same_folder_in_the_ordinary_zone_asks_before_it_becomes_a_second_upload(user, enter, pictures):
    upload = begun(user, pictures / "a.png", pictures / "b.png", prefix="ward/")
    page = enter(user, reverse("desk:upload"))

    page.set_input_files("#pick-folder", pictures)
    expect(page.get_by_role("heading", name="This looks like an upload that is open")).to_be_visible()
    assert faults_seen(page, "same") == []
    page.get_by_role("button", name="Continue it").click()
    page.get_by_role("button", name="Send 1 file").click()
    page.wait_for_url(f"**/uploads/{upload.pk}/")

    assert Upload.objects.get() == upload
    assert set(states(upload).values()) == {ItemState.RECEIVED}


def test_who_means_a_second_upload_of_that_name_gets_one(user, enter, pictures):
    begun(user, pictures / "a.png", pictures / "b.png", prefix="ward/")
    page = enter(user, reverse("desk:upload"))

    page.set_input_files("#pick-folder", pictures)
    page.get_by_role("button", name="Send as a new upload").click()
    expect(page.get_by_role("heading", name="Before any file is sent")).to_be_visible()

    assert Upload.objects.count() == 2


def test_what_was_stopped_goes_on_from_the_page_that_says_so(user, enter, pictures):
    page = enter(user, reverse("desk:upload"), broken_network=True)
    page.route("**/files/", lambda route: route.fulfill(status=503, body=""))
    page.set_input_files("#pick-folder", pictures)
    page.get_by_role("button", name="Send 2 files").click()
    expect(page.locator('[data-panel="sending"] [data-trouble]')).to_contain_text("Trying again in")
    page.get_by_role("button", name="Stop sending").click()
    expect(page.get_by_role("heading", name="It stopped here")).to_be_visible()
    assert faults_seen(page, "failed") == []

    page.unroute("**/files/")
    page.get_by_role("button", name="Continue this upload").click()
    expect(page.get_by_role("heading", name="Continuing ward")).to_be_visible()
    page.set_input_files("#pick-folder", pictures)
    page.get_by_role("button", name="Send 2 files").click()
    page.wait_for_url("**/uploads/*/")

    assert states(Upload.objects.get()) == {"ward/a.png": ItemState.RECEIVED, "ward/b.png": ItemState.RECEIVED}


def test_whoever_is_quicker_than_the_script_loses_neither_the_click_nor_the_choice(user, enter, pictures):
    upload = begun(user, pictures / "a.png", pictures / "b.png", prefix="ward/")
    page = enter(user, reverse("desk:uploads"))
    held = []

    def hold(route):
        held.append(route)

    page.route("**/main*.js", hold)
    page.goto(reverse("desk:upload"), wait_until="commit")
    page.get_by_role("link", name="Continue").click()
    page.wait_for_url(f"**/?continue={upload.pk}", wait_until="commit")
    page.set_input_files("#pick-folder", pictures)
    while len(held) < 2:
        page.wait_for_timeout(50)
    held[-1].continue_()

    page.get_by_role("button", name="Send 1 file").click()
    page.wait_for_url(f"**/uploads/{upload.pk}/")
    assert set(states(upload).values()) == {ItemState.RECEIVED}
    assert Upload.objects.count() == 1


def test_of_two_zips_the_whole_one_stays_and_the_begun_one_goes_on(user, enter, zips):
    page = enter(user, reverse("desk:upload"), broken_network=True)
    parts = []

    def until_the_second_is_begun(route):
        if route.request.method == "PUT":
            parts.append(route.request.headers["content-range"])
        if len(parts) == 4:
            route.fulfill(status=503, body="")
        else:
            route.continue_()

    page.route("**/archive/", until_the_second_is_begun)
    page.set_input_files("#pick-files", zips)
    page.get_by_role("button", name="Send 2 files").click()
    expect(page.locator('[data-panel="sending"] [data-trouble]')).to_contain_text("Trying again in")
    page.get_by_role("button", name="Stop sending").click()
    page.get_by_role("link", name="Start over").click()

    page.unroute("**/archive/")
    page.get_by_role("link", name="Continue").click()
    expect(page.get_by_role("heading", name="Continuing Unnamed upload")).to_be_visible()
    parts.clear()
    page.on("request", lambda one: parts.append(one.headers.get("content-range")) if one.method == "PUT" else None)
    page.set_input_files("#pick-files", zips[::-1])  # the order is another one
    panel = page.locator('[data-panel="preflight"]')
    expect(panel).to_contain_text("first.zip arrived earlier and need not be sent again.")
    expect(panel).to_contain_text("second.zip goes on at 8.4 MB of 8.5 MB.")
    page.get_by_role("button", name="Send 1 file").click()
    page.wait_for_url("**/uploads/*/")

    size = zips[1].stat().st_size
    assert parts == [f"bytes {PART}-{size - 1}/{size}"]
    stored = {incoming_path(archive.incoming).read_bytes() for archive in Archive.objects.all()}
    assert stored == {file.read_bytes() for file in zips}
    assert set(Archive.objects.values_list("state", flat=True)) == {ArchiveState.RECEIVED}


def test_without_the_zip_that_was_on_its_way_its_loss_is_said_first(user, enter, zips):
    page = enter(user, reverse("desk:upload"), broken_network=True)
    page.route(
        "**/archive/",
        lambda route: (
            route.continue_() if "bytes 0-" in route.request.headers["content-range"] else route.fulfill(status=503)
        ),
    )
    page.set_input_files("#pick-files", zips[0])
    page.get_by_role("button", name="Send 1 file").click()
    expect(page.locator('[data-panel="sending"] [data-trouble]')).to_contain_text("Trying again in")
    page.get_by_role("button", name="Stop sending").click()
    page.get_by_role("button", name="Continue this upload").click()

    page.set_input_files("#pick-files", zips[1])

    expect(page.locator('[data-panel="preflight"]')).to_contain_text("that was on its way is not among these")
    assert Archive.objects.get().offset == PART
