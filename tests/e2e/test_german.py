"""The pages in German, in a browser that asks for it: what scripts read stays theirs, what people read is German."""

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from screening.review.models import Review
from screening.users.models import User
from tests.e2e.conftest import PATIENCE, faults_seen, violations
from tests.e2e.scene import a_site_at_work
from tests.phantoms import png_file, radiograph

pytestmark = pytest.mark.django_db(transaction=True)
PASSWORD = "a long sentence that nobody guesses"


@pytest.fixture
def scene():
    scene = a_site_at_work()
    for user in (scene.reader, scene.staff):
        user.set_password(PASSWORD)
        user.save()
    return scene


@pytest.fixture
def page(browser, live_server):
    context = browser.new_context(
        base_url=live_server.url, locale="de-DE", viewport={"width": 1280, "height": 860}, reduced_motion="reduce"
    )
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    yield page
    context.close()
    assert faults == []


def sign_in(page: Page, user: User) -> None:
    page.goto("/sign-in/")
    expect(page.get_by_role("heading", name="Anmelden")).to_be_visible()
    page.get_by_label("Benutzername").fill(user.username)
    page.get_by_label("Passwort").fill(PASSWORD)
    page.get_by_role("button", name="Anmelden").click()
    page.wait_for_url(lambda address: "/sign-in" not in address)


def test_a_reader_signs_in_walks_the_list_and_answers_by_keyboard_in_german(scene, page):
    sign_in(page, scene.reader)
    page.goto(reverse("review:worklist"))
    expect(page.get_by_role("heading", name="Arbeitsliste")).to_be_visible()
    first = page.locator("[data-row]").first
    expect(first.locator(".score-value").first).to_have_text("0,910")
    expect(first.locator(".badge")).to_have_text("markiert")

    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_selector("[data-viewer][data-ready]")
    width = page.locator(".score-bar").first.bounding_box()["width"]
    scale = page.locator(".score-scale").first.bounding_box()["width"]
    page.keyboard.press("h")
    expect(page.locator("[data-heat-name]")).to_contain_text("covid")  # its border is a number that a script reads
    page.keyboard.press("]")
    expect(page.locator("[data-window]").first).to_contain_text("W")
    assert violations(page) == []
    page.keyboard.press("2")
    page.keyboard.press("Enter")

    expect(page.locator("#answers .notice-good")).to_contain_text("Festgehalten.")
    assert abs(width / scale - 0.91) < 0.02
    assert page.locator("html").get_attribute("lang") == "de"
    assert Review.objects.values_list("finding", "answer").get() == ("covid", "absent")


def test_the_scripts_of_an_upload_speak_german_and_so_do_the_refusals_of_the_service(scene, page, tmp_path):
    (tmp_path / "a.png").write_bytes(png_file(radiograph(320, 300, seed=1)))
    (tmp_path / "empty.png").write_bytes(b"")
    sign_in(page, scene.staff)
    page.goto(reverse("desk:upload"))

    page.set_input_files("#pick-files", [tmp_path / "a.png", tmp_path / "empty.png"])

    expect(page.locator("[data-send]")).to_contain_text("1 Datei senden, ")
    stats = page.locator("[data-preflight-stats]")
    expect(stats).to_contain_text("PNG-Dateien")
    expect(stats).to_contain_text("größte Datei")
    expect(page.locator("[data-preflight-refused]")).to_contain_text("1 Datei abgelehnt: Die Datei ist leer.")
    size = (tmp_path / "a.png").stat().st_size
    assert f"{size / 1000:.1f}".replace(".", ",") in stats.inner_text()


def test_a_person_changes_the_language_in_the_menu_and_stays_where_they_are(scene, page):
    sign_in(page, scene.reader)
    page.goto(reverse("review:models"))

    page.locator("details[data-menu] summary").click()
    assert violations(page) == []
    page.get_by_role("button", name="English").click()

    expect(page.get_by_role("heading", name="Models", exact=True)).to_be_visible()
    assert page.url.endswith(reverse("review:models"))
    scene.reader.refresh_from_db()
    assert scene.reader.language == "en"


@pytest.mark.parametrize("name", ["sign-in", "review:to_read", "desk:upload"])
def test_nothing_is_wrong_with_pages_in_german_in_both_themes_and_on_a_tablet(scene, page, name):
    if name == "sign-in":
        page.goto("/sign-in/")
    else:
        sign_in(page, scene.reader if name.startswith("review") else scene.staff)
        page.goto(reverse(name))

    assert faults_seen(page, f"german-{name.replace(':', '-')}") == []
