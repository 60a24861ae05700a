"""The tools of the viewer in a real browser: by keyboard, in one pane and in two, without moving the page."""

from collections import Counter
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from screening.studies.models import Patient
from tests.e2e.conftest import faults_seen, violations
from tests.e2e.scene import a_site_at_work
from tests.e2e.test_reading import COLOURED, PIXEL, painted
from tests.workers.processes import until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def scene():
    made = a_site_at_work()
    later, earlier = made.flagged[0], made.flagged[1]
    person = Patient.objects.create(site=made.site, pseudonym="p" * 64)
    for study, days in ((later, 0), (earlier, 30)):
        study.patient = person
        study.created_at -= timedelta(days=days)
        study.save()
    return made


def opened(enter, scene, study=None):
    page = enter(scene.reader, reverse("review:study", args=[(study or scene.flagged[0]).pk]))
    page.wait_for_selector("[data-viewer][data-ready]")
    painted(page)
    return page


CORNER = """() => { const c = document.querySelector('[data-viewer] canvas');
  return Array.from(c.getContext('2d').getImageData(c.width / 2 - 90, c.height / 2 - 60, 1, 1).data).slice(0, 3); }"""


def test_every_tool_has_a_key_and_the_list_of_keys_names_it(scene, enter):
    page = opened(enter, scene)
    pressed = {"i": "Invert", "x": "Mirror", "e": "Magnifier", "s": "Side by side", "a": "Auto", "p": "Move"}

    for key, name in pressed.items():
        page.keyboard.press(key)
        expect(page.get_by_role("button", name=name, exact=True)).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("s")
    page.keyboard.press("?")

    said = page.get_by_role("dialog").inner_text()
    letters = Counter(key for key in page.locator("#keys kbd").all_inner_texts() if key.isalpha() and len(key) == 1)
    assert [key for key, times in letters.items() if times > 1] == []  # none means two things
    assert [key for key in "fotTxesda[]lmbhg,.z" if key not in said] == []
    assert violations(page) == []


def test_the_heat_turns_with_the_picture_and_is_as_strong_as_chosen(scene, enter):
    page = opened(enter, scene)
    page.keyboard.press("h")
    until(lambda: page.evaluate(COLOURED) > 1000, 45, "no heat was painted", every=0.1)
    whole = page.evaluate(COLOURED)

    for key in ("t", "x", "-"):
        page.keyboard.press(key)
    painted(page)
    assert page.evaluate(COLOURED) > 1000
    for _ in range(11):
        page.keyboard.press(",")
    painted(page)

    assert page.get_by_label("How strong the heat map is").input_value() == "0"
    assert page.evaluate(COLOURED) == 0 < whole


def test_an_earlier_study_of_the_same_person_is_beside_this_one_at_a_key(scene, enter):
    page = opened(enter, scene)
    short = str(scene.flagged[1].pk)[:8]
    expect(page.get_by_text("Earlier studies of the same person")).to_be_visible()
    expect(page.get_by_role("link", name=f"Study {short}")).to_be_visible()

    page.keyboard.press("s")
    choice = page.get_by_label("Which picture is beside it")
    expect(choice).to_have_value("1:0")
    expect(choice.locator("option:checked")).to_contain_text(short)
    assert page.locator("[data-stages] canvas").count() == 2
    expect(page.locator("[data-stages] [data-window]").nth(1)).to_contain_text("W")  # painted
    assert faults_seen(page, "study-two") == []

    page.keyboard.press("s")
    expect(choice).to_have_count(0)


def test_the_second_pane_has_a_window_and_a_place_of_its_own(scene, enter):
    page = opened(enter, scene, scene.series)
    page.keyboard.press("s")
    second = page.locator("[data-stages] > .viewer-stage").nth(1)
    expect(second.locator("[data-window]")).to_have_text("C 128  W 256")

    second.locator("canvas").focus()
    page.keyboard.press("]")
    page.keyboard.press("ArrowDown")

    expect(second.locator("[data-window]")).to_have_text("C 128  W 320")
    expect(page.locator("[data-stage] [data-window]")).to_have_text("C 128  W 256")
    expect(page.locator("[data-place]")).to_have_text("12 / 12")
    expect(second.get_by_label("Which picture is beside it")).to_have_value("0:1")


def test_the_magnifier_follows_the_arrows_and_leaves_with_its_key(scene, enter):
    page = opened(enter, scene)

    page.keyboard.press("e")
    glass = page.locator(".lens")
    before = glass.bounding_box()
    page.keyboard.press("ArrowRight")
    after = glass.bounding_box()
    page.keyboard.press("e")

    assert (after["x"] - before["x"], after["y"] - before["y"]) == (16, 0)
    expect(glass).to_have_count(0)


def test_turning_four_times_and_mirroring_twice_changes_nothing(scene, enter):
    page = opened(enter, scene)
    before = page.evaluate(CORNER)

    page.keyboard.press("t")
    painted(page)
    turned = page.evaluate(CORNER)
    for key in "tttxx":
        page.keyboard.press(key)
    painted(page)

    assert page.evaluate(CORNER) == before != turned


SHIFTS = """() => { window.shifts = [];
  const seen = (one) => (one.hadRecentInput ? 0 : one.value);
  const add = (list) => window.shifts.push(...list.getEntries().map(seen));
  new PerformanceObserver(add).observe({ type: 'layout-shift', buffered: true }); }"""


@pytest.mark.parametrize("name", ["study", "series"])
def test_nothing_on_the_page_moves_while_it_loads_and_its_tools_are_used(scene, enter, name):
    page = opened(enter, scene, scene.flagged[1] if name == "study" else scene.series)
    page.evaluate(SHIFTS)
    for key in "iatxhr":
        page.keyboard.press(key)
    page.wait_for_timeout(500)

    assert sum(page.evaluate("window.shifts")) < 0.01


def test_the_next_study_is_shown_in_place_with_a_picture_that_was_fetched_before(scene, enter):
    page = enter(scene.reader, reverse("review:worklist"))
    asked = []
    page.on("request", lambda request: asked.append(urlsplit(request.url)))
    page.goto(reverse("review:study", args=[scene.flagged[0].pk]))
    page.wait_for_selector("[data-viewer][data-ready]")
    early = reverse("review:preview", args=[scene.flagged[1].images.get().pk])
    until(lambda: page.wait_for_timeout(50) or early in [one.path for one in asked], 45, "nothing was fetched early")
    page.evaluate("window.same = 'page'")
    page.wait_for_timeout(300)
    asked.clear()

    page.keyboard.press("n")
    page.wait_for_url(f"**/studies/{scene.flagged[1].pk}/**")
    page.wait_for_selector("[data-viewer][data-ready]")
    painted(page)

    assert page.evaluate("window.same") == "page"
    assert early not in [one.path for one in asked]
    assert page.evaluate(PIXEL)[0] > 0
    expect(page.get_by_role("heading", level=1)).to_contain_text(str(scene.flagged[1].pk)[:8])
    page.keyboard.press("2")
    page.keyboard.press("Enter")
    expect(page.locator("#answers .notice-good")).to_be_visible()
    assert {one.netloc for one in asked} == {urlsplit(page.url).netloc}
