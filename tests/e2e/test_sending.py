"""The pages for sending in a real browser, up to the moment when workers take over."""

import hashlib
import json
import zipfile

import pytest
from django.db import transaction
from django.urls import reverse
from playwright.sync_api import expect

from screening.audit.actor import Actor
from screening.flows.offering import Offered, check_files, open_upload
from screening.flows.receiving import receive_file
from screening.uploads.models import Archive, ArchiveState, Item, ItemState, Upload, UploadState
from screening.uploads.transitions import ItemMove, move_items
from tests.e2e.conftest import faults_seen
from tests.e2e.scene import a_site_at_work
from tests.phantoms import png_file, radiograph

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def scene():
    return a_site_at_work()


@pytest.fixture
def folder(tmp_path):
    """Five radiographs, one of them twice, a text file, and what a system leaves behind."""
    folder = tmp_path / "ward"
    (folder / "second").mkdir(parents=True)
    for seed in range(5):
        (folder / f"{seed}.png").write_bytes(png_file(radiograph(64, 60, seed=100 + seed)))
    (folder / "second" / "again.png").write_bytes((folder / "0.png").read_bytes())
    (folder / "notes.txt").write_text("not a picture")
    (folder / "empty.png").write_bytes(b"")
    (folder / ".DS_Store").write_bytes(b"left behind")
    return folder


def upload_made(scene) -> Upload:
    return Upload.objects.exclude(pk=scene.upload.pk).get()


def states(upload: Upload) -> dict[str, str]:
    return dict(upload.items.values_list("path", "state"))


@pytest.mark.parametrize("name", ["upload", "uploads", "quick", "detail", "receipt", "purge"])
def test_nothing_is_wrong_with_the_pages_for_sending_in_both_themes_and_on_a_tablet(scene, enter, name):
    of_one = name in {"detail", "receipt", "purge"}
    page = enter(scene.staff, reverse(f"desk:{name}", args=[scene.upload.pk] if of_one else []))

    assert faults_seen(page, name) == []


def test_a_folder_is_looked_at_before_anything_is_sent_and_then_only_what_is_missing_is(scene, enter, folder):
    page = enter(scene.staff, reverse("desk:upload"))
    page.set_input_files("#pick-folder", folder)
    expect(page.get_by_role("heading", name="Before any file is sent")).to_be_visible()

    panel = page.locator('[data-panel="preflight"]')
    expect(panel).to_contain_text("1 file refused: The file is empty.")
    expect(panel).to_contain_text("1 system file (such as .DS_Store) left out.")
    assert set(states(upload_made(scene)).values()) <= {"expected", "duplicate", "rejected"}
    assert faults_seen(page, "preflight") == []

    page.get_by_role("button", name="Send 6 files").click()
    page.wait_for_url("**/uploads/*/")
    upload = upload_made(scene)
    assert (upload.state, upload.name) == (UploadState.SEALED, "ward")
    assert states(upload) == {
        "ward/0.png": ItemState.RECEIVED,
        "ward/1.png": ItemState.RECEIVED,
        "ward/2.png": ItemState.RECEIVED,
        "ward/3.png": ItemState.RECEIVED,
        "ward/4.png": ItemState.RECEIVED,
        "ward/second/again.png": ItemState.DUPLICATE,
        "ward/notes.txt": ItemState.RECEIVED,
        "ward/empty.png": ItemState.REJECTED,
    }


def test_an_open_upload_goes_on_where_it_stopped_when_the_folder_is_chosen_again(scene, enter, folder):
    user, actor = scene.staff, Actor.user(scene.staff)
    upload = open_upload(site=scene.site, user=user, name="ward", models=[])
    begun = folder / "3.png"
    offered = Offered(path="ward/3.png", size=begun.stat().st_size, sha256=_sha256(begun))
    check_files(upload_id=upload.pk, files=[offered], actor=actor)
    receive_file(upload_id=upload.pk, path="ward/3.png", parts=[begun.read_bytes()], actor=actor)
    page = enter(user, reverse("desk:upload"))
    sent = []
    page.on("request", lambda request: sent.append(request.post_data_buffer) if "/files/" in request.url else None)

    page.get_by_role("link", name="Continue").click()
    expect(page.get_by_role("heading", name="Continuing ward")).to_be_visible()
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Choose folder").click()
    chooser.value.set_files(folder)
    expect(page.locator('[data-panel="preflight"]')).to_contain_text("1 file arrived earlier")
    page.get_by_role("button", name="Send 5 files").click()
    page.wait_for_url(f"**/uploads/{upload.pk}/")

    assert upload_made(scene) == upload
    assert b"ward/3.png" not in b"".join(body or b"" for body in sent)
    assert ItemState.EXPECTED not in states(upload).values()


def _sha256(path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_connection_that_breaks_is_tried_again_until_every_file_is_there(scene, enter, folder):
    page = enter(scene.staff, reverse("desk:upload"), broken_network=True)
    tries = []

    def twice_broken(route):
        tries.append(1)
        if len(tries) <= 2:
            route.fulfill(status=503, body="")
        else:
            route.continue_()

    page.route("**/files/", twice_broken)
    page.set_input_files("#pick-folder", folder)
    page.get_by_role("button", name="Send 6 files").click()
    expect(page.locator('[data-panel="sending"] [data-trouble]')).to_contain_text("Trying again in")
    page.wait_for_url("**/uploads/*/")

    assert len(tries) == 3
    assert upload_made(scene).items.filter(state=ItemState.RECEIVED).count() == 6


def test_more_files_than_one_check_takes_are_offered_in_chunks_and_all_arrive(scene, enter, tmp_path):
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(1_040):
        (folder / f"{number}.dcm").write_bytes(f"file {number}".encode())
    page = enter(scene.staff, reverse("desk:upload"))
    checked, batches = [], []
    page.on(
        "request",
        lambda request: (
            checked.append(len(json.loads(request.post_data)["files"])) if request.url.endswith("/check/") else None
        ),
    )
    page.on("request", lambda request: batches.append(1) if request.url.endswith("/files/") else None)

    page.set_input_files("#pick-folder", folder)
    page.get_by_role("button", name="Send 1,040 files").click(timeout=120_000)
    page.wait_for_url("**/uploads/*/", timeout=120_000)

    assert checked == [1_000, 40]
    assert len(batches) == 21  # at most fifty files each
    assert upload_made(scene).items.filter(state=ItemState.RECEIVED).count() == 1_040


def test_more_than_thirty_radiographs_in_one_study_ask_for_a_yes(scene, enter, tmp_path):
    folder = tmp_path / "flat"
    folder.mkdir()
    for number in range(31):
        (folder / f"{number}.png").write_bytes(f"picture {number}".encode())
    page = enter(scene.staff, reverse("desk:upload"))
    page.get_by_label("What makes a study").select_option("folder")
    page.set_input_files("#pick-folder", folder)
    send = page.get_by_role("button", name="Send 31 files")

    expect(page.get_by_text("One study would hold 31 pictures")).to_be_visible()
    expect(send).to_be_disabled()
    page.get_by_label("Yes, these pictures belong to one study.").check()
    expect(send).to_be_enabled()


def test_a_zip_travels_in_parts_and_a_lost_part_is_sent_again(scene, enter, tmp_path):
    archive = tmp_path / "ward.zip"
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr("a.bin", bytes(9 * 1024 * 1024))  # stored, so that it takes two parts
    page = enter(scene.staff, reverse("desk:upload"), broken_network=True)
    ranges = []

    def first_answer_lost(route):
        ranges.append(route.request.headers.get("content-range"))
        if len(ranges) == 1:
            route.fetch()  # stored, but the client never hears of it
            route.fulfill(status=502, body="")
        else:
            route.continue_()

    page.route(
        "**/archive/", lambda route: first_answer_lost(route) if route.request.method == "PUT" else route.continue_()
    )
    page.set_input_files("#pick-files", archive)
    page.get_by_role("button", name="Send 1 file").click()
    page.wait_for_url("**/uploads/*/")

    assert Archive.objects.get().state == ArchiveState.RECEIVED
    assert Archive.objects.get().size == archive.stat().st_size
    assert ranges[-1].endswith(f"-{archive.stat().st_size - 1}/{archive.stat().st_size}")


def test_what_moves_on_an_upload_shows_without_a_reload(scene, enter):
    upload = open_upload(site=scene.site, user=scene.staff, name="slow", models=[])
    check_files(upload_id=upload.pk, files=[Offered(path="a.png", size=5, sha256="a" * 64)])
    page = enter(scene.staff, reverse("desk:detail", args=[upload.pk]))
    page.evaluate("window.stayed = true")
    expect(page.get_by_text("0 / 1")).to_be_visible()

    with transaction.atomic():
        move_items(
            [ItemMove(item=Item.objects.get(upload=upload), to=ItemState.REJECTED, code="truncated")],
            site_id=scene.site.pk,
            actor=Actor.service("test"),
        )

    expect(page.get_by_text("1 / 1")).to_be_visible(timeout=10_000)
    expect(page.get_by_text("The file ends before its pixels do.")).to_be_visible()
    assert page.evaluate("window.stayed") is True


def test_a_quick_question_is_taken_in_without_a_reload_and_a_refusal_is_said_there(scene, enter):
    page = enter(scene.staff, reverse("desk:quick"))
    page.evaluate("window.stayed = true")

    page.set_input_files("#picture", {"name": "empty.png", "mimeType": "image/png", "buffer": b""})
    expect(page.locator("#verdict")).to_contain_text("or it was empty")
    page.set_input_files("#picture", {"name": "one.png", "mimeType": "image/png", "buffer": png_file()})
    expect(page.locator("#verdict[data-pending]")).to_contain_text("one.png")
    assert page.evaluate("window.stayed") is True
    upload = Upload.objects.get(quick=True)
    assert (upload.state, upload.priority, upload.items.get().state) == ("sealed", "urgent", "received")


def test_a_button_keeps_the_focus_while_the_progress_around_it_is_replaced(scene, enter):
    upload = open_upload(site=scene.site, user=scene.staff, name="slow", models=[])
    check_files(upload_id=upload.pk, files=[Offered(path="a.png", size=5, sha256="a" * 64)])
    page = enter(scene.staff, reverse("desk:detail", args=[upload.pk]))
    page.get_by_role("button", name="Cancel what waits").focus()

    check_files(upload_id=upload.pk, files=[Offered(path="b.png", size=5, sha256="b" * 64)])

    expect(page.get_by_text("0 / 2")).to_be_visible(timeout=10_000)
    expect(page.get_by_role("button", name="Cancel what waits")).to_be_focused()


def test_a_progress_that_did_not_move_is_left_in_its_place(scene, enter):
    upload = open_upload(site=scene.site, user=scene.staff, name="slow", models=[])
    page = enter(scene.staff, reverse("desk:detail", args=[upload.pk]))
    page.evaluate("document.getElementById('progress').dataset.stayed = 'yes'")

    with page.expect_response("**/progress/") as answer:
        pass
    page.wait_for_timeout(200)

    assert answer.value.status == 304
    expect(page.locator("#progress[data-stayed]")).to_contain_text("Nothing was offered yet.")


def test_who_was_signed_out_elsewhere_is_led_to_the_sign_in_as_a_whole_page(scene, enter):
    upload = open_upload(site=scene.site, user=scene.staff, name="slow", models=[])
    page = enter(scene.staff, reverse("desk:detail", args=[upload.pk]))

    page.context.clear_cookies()

    page.wait_for_url(f"**/sign-in/?next=*{upload.pk}*")
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
