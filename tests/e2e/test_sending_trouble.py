"""What goes wrong while a folder is sent, as people meet it: files that change, limits, pauses, odd browsers, drops."""

import os
import re

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from screening.uploads.models import Item, ItemState, Upload, UploadState
from screening.users.models import Role
from tests.e2e.conftest import faults_seen
from tests.factories import SiteFactory, UserFactory
from tests.phantoms import png_file, radiograph
from tests.uploads.bringing import limit

pytestmark = pytest.mark.django_db(transaction=True)
SENT = "**/uploads/*/"
DONE = re.compile(r"/uploads/[0-9a-f-]{36}/$")


@pytest.fixture
def user():
    return UserFactory(username="sam", role_at=(SiteFactory(), Role.STAFF))


@pytest.fixture
def folder(tmp_path):
    """Three radiographs, one of them in a folder of its own."""
    folder = tmp_path / "ward"
    (folder / "deep").mkdir(parents=True)
    for seed, name in enumerate(("0.png", "1.png", "deep/2.png")):
        (folder / name).write_bytes(png_file(radiograph(64, 60, seed=200 + seed)))
    return folder


def states() -> dict[str, str]:
    return dict(Upload.objects.get().items.values_list("path", "state"))


RECEIVED = {"ward/0.png": ItemState.RECEIVED, "ward/1.png": ItemState.RECEIVED, "ward/deep/2.png": ItemState.RECEIVED}


def gone(file):
    file.unlink()


def edited(file):
    file.write_bytes(png_file(radiograph(64, 60, seed=299)))
    os.utime(file, (1, 1))


@pytest.mark.parametrize("change", [gone, edited])
def test_a_file_that_changes_after_it_was_looked_at_costs_only_itself_and_is_named(user, enter, folder, change):
    page = enter(user, reverse("desk:upload"), broken_network=True)
    page.set_input_files("#pick-folder", folder)
    send = page.get_by_role("button", name="Send 3 files")
    expect(send).to_be_visible()

    change(folder / "1.png")
    send.click()

    panel = page.locator('[data-panel="refused"]')
    expect(panel).to_contain_text("1 file refused: It changed, moved or went away after it was looked at")
    expect(panel).to_contain_text("ward/1.png")
    assert faults_seen(page, "refused") == []
    panel.get_by_role("link", name="Go to the upload").click()
    page.wait_for_url(SENT)
    assert states() == RECEIVED | {"ward/1.png": ItemState.NOT_SENT}
    assert Upload.objects.get().state == UploadState.SEALED


def test_a_zip_that_goes_away_does_not_hold_up_the_files_beside_it(user, enter, folder):
    (folder / "more.zip").write_bytes(b"PK" + bytes(1000))
    page = enter(user, reverse("desk:upload"), broken_network=True)
    page.set_input_files("#pick-folder", folder)
    send = page.get_by_role("button", name="Send 4 files")
    expect(send).to_be_visible()

    gone(folder / "more.zip")
    send.click()

    expect(page.locator('[data-panel="refused"]')).to_contain_text("ward/more.zip")
    assert states() == RECEIVED


def test_while_the_service_is_away_and_all_files_are_there_it_is_tried_again(user, enter, folder):
    page = enter(user, reverse("desk:upload"), broken_network=True)
    tries = []

    def unreachable_twice(route):
        tries.append(1)
        if len(tries) <= 2:
            route.abort("connectionrefused")
        else:
            route.continue_()

    page.route("**/files/", unreachable_twice)
    page.set_input_files("#pick-folder", folder)
    page.get_by_role("button", name="Send 3 files").click()
    page.wait_for_url(DONE)

    assert len(tries) == 3
    assert states() == RECEIVED


def test_what_the_service_refuses_on_the_way_is_shown_before_the_page_moves_on(user, enter, folder):
    page = enter(user, reverse("desk:upload"))
    page.set_input_files("#pick-folder", folder)
    send = page.get_by_role("button", name="Send 3 files")
    expect(send).to_be_visible()

    Item.objects.filter(path="ward/0.png").update(sha256="0" * 64)  # as if other bytes had been announced
    send.click()

    expect(page.locator('[data-panel="refused"]')).to_contain_text("ward/0.png")
    assert states() == RECEIVED | {"ward/0.png": ItemState.NOT_SENT}


def test_a_file_over_the_limit_is_refused_before_it_is_hashed_and_stands_on_the_receipt(user, enter, folder, settings):
    limit(settings, file_bytes=10_000, archive_bytes=100)
    (folder / "large.dcm").write_bytes(bytes(10_001))
    (folder / "large.zip").write_bytes(bytes(101))
    page = enter(user, reverse("desk:upload"))
    page.set_input_files("#pick-folder", folder)

    panel = page.locator('[data-panel="preflight"]')
    expect(panel).to_contain_text("1 file refused: The file is larger than this service accepts.")
    expect(panel).to_contain_text("The service takes a zip of at most")
    page.get_by_role("button", name="Send 3 files").click()
    page.wait_for_url(DONE)
    assert states() == RECEIVED | {"ward/large.dcm": ItemState.REJECTED}
    assert Item.objects.values_list("code", "sha256").get(path="ward/large.dcm") == ("too_large", "")


def test_a_file_that_the_browser_may_not_read_stands_on_the_receipt_too(user, enter, folder):
    page = enter(user, reverse("desk:upload"), broken_network=True)
    page.route("**/uploads/", lambda route: (gone(folder / "1.png"), route.continue_()))
    page.set_input_files("#pick-folder", folder)

    expect(page.locator('[data-panel="preflight"]')).to_contain_text(
        "1 file refused: The sender could not read the file."
    )
    page.get_by_role("button", name="Send 2 files").click()
    page.wait_for_url(SENT)
    assert states() == RECEIVED | {"ward/1.png": ItemState.REJECTED}
    assert Item.objects.get(path="ward/1.png").code == "not_readable"


@pytest.mark.parametrize(("limits", "said"), [({"files": 2}, "These are 3 files"), ({"file_bytes": 10}, "None of it")])
def test_a_choice_that_cannot_be_taken_at_all_is_objected_to_and_opens_nothing(
    user, enter, folder, settings, limits, said
):
    limit(settings, **limits)
    page = enter(user, reverse("desk:upload"))

    page.set_input_files("#pick-folder", folder)

    expect(page.get_by_role("alert").filter(has_text=said)).to_be_visible()
    expect(page.get_by_role("button", name="Choose folder")).to_be_visible()
    assert not Upload.objects.exists()


def test_a_pause_holds_what_was_not_begun_and_resuming_sends_it(user, enter, tmp_path):
    folder = tmp_path / "ward"
    folder.mkdir()
    for number in range(200):
        (folder / f"{number}.dcm").write_bytes(f"file {number}".encode())  # four batches, three lanes
    page = enter(user, reverse("desk:upload"))
    waiting = []

    def hold(route):
        waiting.append(route)

    page.route("**/files/", hold)
    page.set_input_files("#pick-folder", folder)
    page.get_by_role("button", name="Send 200 files").click()
    expect(page.get_by_role("heading", name="Sending", exact=True)).to_be_visible()
    while len(waiting) < 3:
        page.wait_for_timeout(50)

    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("heading", name="Paused")).to_be_visible()
    assert faults_seen(page, "paused") == []
    for route in waiting:
        route.continue_()
    expect(page.locator("[data-sending-files]")).to_have_text("150 / 200")
    page.wait_for_timeout(300)
    assert len(waiting) == 3

    page.unroute("**/files/")
    page.get_by_role("button", name="Resume").click()
    page.wait_for_url(DONE)
    assert set(states().values()) == {ItemState.RECEIVED}


def test_where_the_browser_offers_no_digest_the_own_one_gives_the_same(user, enter, folder):
    (folder / "more.zip").write_bytes(b"PK" + bytes(1000))
    page = enter(user, reverse("desk:uploads"))
    page.add_init_script("Object.defineProperty(Crypto.prototype, 'subtle', { get: () => undefined })")
    page.goto(reverse("desk:upload"))
    assert page.evaluate("window.crypto.subtle === undefined") is True

    page.set_input_files("#pick-folder", folder)
    page.get_by_role("button", name="Send 4 files").click()
    page.wait_for_url(DONE)

    assert states() == RECEIVED
    assert Upload.objects.get().archives.get().state == "received"


def drop(page, *paths):
    """Drop paths of this machine on the zone, as a hand does: through the browser itself."""
    box = page.locator("[data-zone]").bounding_box()
    devtools = page.context.new_cdp_session(page)
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        devtools.send("Input.dispatchDragEvent", {"type": kind, "x": box["x"] + 20, "y": box["y"] + 20, "data": data})


def test_a_dropped_folder_is_walked_to_its_leaves(user, enter, folder):
    page = enter(user, reverse("desk:upload"))

    drop(page, folder)
    page.get_by_role("button", name="Send 3 files").click()
    page.wait_for_url(DONE)

    assert states() == RECEIVED
    assert Upload.objects.get().name == "ward"


LOCKED = """() => {
  const file = (done, failed) => failed(new DOMException("locked", "NotReadableError"));
  const lock = (entry) => (entry.name === "1.png" ? { isFile: true, fullPath: entry.fullPath, file } : entry);
  const take = DataTransferItem.prototype.webkitGetAsEntry;
  DataTransferItem.prototype.webkitGetAsEntry = function () {
    const root = take.call(this);
    const readers = Object.getPrototypeOf(root.createReader());
    const read = readers.readEntries;
    readers.readEntries = function (done, failed) { read.call(this, (found) => done(found.map(lock)), failed); };
    return root;
  };
}"""


def test_of_a_drop_what_cannot_be_read_is_named_and_the_rest_goes_on(user, enter, folder):
    page = enter(user, reverse("desk:upload"))
    page.evaluate(LOCKED)

    drop(page, folder)

    panel = page.locator('[data-panel="preflight"]')
    expect(panel).to_contain_text("1 file refused: The sender could not read the file.")
    expect(panel).to_contain_text("ward/1.png")
    page.get_by_role("button", name="Send 2 files").click()
    page.wait_for_url(DONE)
    assert states() == RECEIVED | {"ward/1.png": ItemState.REJECTED}
