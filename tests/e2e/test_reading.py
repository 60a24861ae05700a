"""The reader's pages in a real browser."""

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from screening.flows.explained import files_of
from screening.results.models import Explanation
from screening.review.models import Review
from screening.studies.models import StudyState
from tests.e2e.conftest import faults_seen, violations
from tests.e2e.scene import a_site_at_work
from tests.factories import ExplanationFactory
from tests.workers.processes import until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def scene():
    return a_site_at_work()


@pytest.mark.parametrize("name", ["worklist", "not_assessed", "not_flagged", "models"])
def test_nothing_is_wrong_with_the_lists_in_both_themes_and_on_a_tablet(scene, enter, name):
    page = enter(scene.reader, reverse(f"review:{name}"))
    page.wait_for_load_state("networkidle")

    assert faults_seen(page, name) == []


@pytest.mark.parametrize("name", ["study", "study-series"])
def test_nothing_is_wrong_with_the_page_of_a_study_or_a_series(scene, enter, name):
    study = scene.flagged[1] if name == "study" else scene.series
    page = enter(scene.reader, reverse("review:study", args=[study.pk]))
    page.wait_for_selector("[data-viewer][data-ready]")

    assert faults_seen(page, name) == []


def test_nothing_is_wrong_with_a_card(scene, enter):
    page = enter(scene.reader, reverse("review:model", args=[scene.xray.slug, "1.0.0"]))

    assert faults_seen(page, "model") == []


def test_a_reader_walks_the_list_and_answers_by_keyboard_alone(scene, enter):
    page = enter(scene.reader, reverse("review:worklist"))
    for key in "jjk":
        page.keyboard.press(key)
    page.keyboard.press("Enter")
    page.wait_for_selector("[data-viewer][data-ready]")

    assert str(scene.flagged[0].pk) in page.url
    page.keyboard.press("2")
    page.keyboard.press("Enter")
    expect(page.locator("#answers .notice-good")).to_be_visible()
    page.wait_for_selector("[data-viewer][data-ready]")
    page.keyboard.press("n")
    page.wait_for_url(f"**/studies/{scene.flagged[1].pk}/**")

    scene.flagged[0].refresh_from_db()
    assert scene.flagged[0].state == StudyState.REVIEWED
    assert Review.objects.values_list("finding", "answer").get() == ("covid", "absent")


def test_not_assessable_asks_for_its_reason_and_says_what_is_missing(scene, enter):
    page = enter(scene.reader, reverse("review:study", args=[scene.flagged[0].pk]))
    page.keyboard.press("4")
    page.get_by_role("button", name="Record answer").click()

    expect(page.locator("#answers .notice-danger")).to_contain_text("not assessable is missing")
    expect(page.get_by_label("Not assessable")).to_be_checked()
    assert not Review.objects.exists()

    page.get_by_label("Why it cannot be assessed").select_option(label="Cut off or rotated")
    page.get_by_role("button", name="Record answer").click()
    expect(page.locator("#answers .notice-good")).to_be_visible()
    assert Review.objects.get().reason == "cut off or rotated"


def test_the_question_mark_opens_the_keys_and_escape_closes_them(scene, enter):
    page = enter(scene.reader, reverse("review:worklist"))

    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    assert violations(page) == []
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()


PIXEL = """() => { const c = document.querySelector('[data-viewer] canvas');
  return Array.from(c.getContext('2d').getImageData(c.width / 2, c.height / 2, 1, 1).data); }"""


EDGE = """() => { const c = document.querySelector('[data-viewer] canvas');
  const row = c.getContext('2d').getImageData(0, c.height / 2, c.width, 1).data;
  let x = 0; while (x < c.width && row[x * 4] === 0) x += 1; return x; }"""


def edge_of_the_picture(page) -> int:
    """The column, in pixels, where the middle row stops being the black around the picture."""
    return page.evaluate(EDGE)


def painted(page) -> None:
    """Wait until what was asked for is on the canvas."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def test_inverting_turns_every_gray_value_around_and_reset_brings_it_back(scene, enter):
    page = enter(scene.reader, reverse("review:study", args=[scene.flagged[0].pk]))
    page.wait_for_selector("[data-viewer][data-ready]")
    painted(page)
    before = page.evaluate(PIXEL)

    page.keyboard.press("i")
    painted(page)
    inverted = page.evaluate(PIXEL)
    page.keyboard.press("r")
    page.keyboard.press("i")
    painted(page)

    assert [abs(a + b - 255) <= 1 for a, b in zip(before[:3], inverted[:3], strict=True)] == [True] * 3
    assert page.evaluate(PIXEL) == inverted


COLOURED = """() => { const c = document.querySelector('[data-viewer] canvas');
  const pixels = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
  let found = 0; for (let at = 0; at < pixels.length; at += 4) if (pixels[at] > pixels[at + 2] + 30) found += 1;
  return found; }"""


def test_the_heat_lies_over_the_picture_at_a_key_and_leaves_with_it(scene, enter):
    page = enter(scene.reader, reverse("review:study", args=[scene.flagged[0].pk]))
    page.wait_for_selector("[data-viewer][data-ready]")
    expect(page.locator("#heat")).to_contain_text("18% of the heat lies outside the central field")
    painted(page)
    assert page.evaluate(COLOURED) == 0

    page.keyboard.press("h")
    expect(page.locator("#heat").get_by_role("button", name="Heat")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("[data-heat-name]")).to_have_text("COVID-19, other pneumonia or normal: covid")
    until(lambda: page.evaluate(COLOURED) > 1000, 45, "no heat was painted", every=0.1)
    assert faults_seen(page, "study-heat") == []

    page.keyboard.press("h")
    until(lambda: page.evaluate(COLOURED) == 0, 45, "the heat stayed", every=0.1)


def test_a_map_is_asked_for_on_the_page_and_the_page_waits_for_it(scene, enter):
    page = enter(scene.reader, reverse("review:study", args=[scene.series.pk]))
    page.wait_for_selector("[data-viewer][data-ready]")
    heat = page.locator("#heat")

    heat.get_by_role("button", name="Draw it").click()
    expect(heat).to_contain_text("The heat map waits to be drawn.")
    asked = Explanation.objects.get(screening__study=scene.series)
    last = scene.series.images.get(position=55.0)
    Explanation.objects.filter(pk=asked.pk).update(state="failed", code="model_unavailable")
    expect(heat).to_contain_text("The heat map could not be drawn: the model could not be loaded.")

    page.keyboard.press("ArrowUp")
    expect(heat).to_contain_text("No heat map yet")
    above = scene.series.images.get(position=50.0)  # the slice before the last, at which the page opens
    assert (heat.get_attribute("data-image"), str(asked.screening.image_id)) == (str(above.pk), str(last.pk))


def test_the_maps_of_a_slice_that_was_left_never_stand_beside_another(scene, enter):
    page = enter(scene.reader, reverse("review:study", args=[scene.series.pk]))
    page.wait_for_selector("[data-viewer][data-ready]")
    ExplanationFactory(screening=scene.series.images.get(position=50.0).screenings.get())  # waits: its panel polls
    slow = []

    def hold(route):
        slow.append(route)

    page.route("**/heat/", hold)
    page.keyboard.press("ArrowUp")
    until(lambda: len(slow) == 1 or page.wait_for_timeout(20), 45, "the first slice's maps were not asked for")
    page.keyboard.press("ArrowUp")
    page.wait_for_timeout(300)
    page.unroute("**/heat/")  # lets go of what was held

    here = str(scene.series.images.get(position=45.0).pk)
    expect(page.locator(f'#heat[data-image="{here}"]')).to_be_visible()
    page.wait_for_timeout(1500)  # longer than a panel waits before it asks again
    expect(page.locator(f'#heat[data-image="{here}"]')).to_be_visible()


def test_a_map_whose_files_are_gone_can_be_drawn_again_on_the_page(scene, enter):
    lost = Explanation.objects.select_related("screening__image").get(screening__study=scene.flagged[0])
    page = enter(scene.reader, reverse("review:study", args=[scene.flagged[0].pk]))
    page.wait_for_selector("[data-viewer][data-ready]")
    for file in files_of(lost):
        file.unlink()
    page.reload()

    page.get_by_role("button", name="Its files are gone: draw again").click()

    expect(page.locator("#heat")).to_contain_text("The heat map waits to be drawn.")


def test_dragging_changes_the_window_and_in_the_other_tool_moves_the_picture(scene, enter):
    page = enter(scene.reader, reverse("review:study", args=[scene.flagged[0].pk]))
    page.wait_for_selector("[data-viewer][data-ready]")
    stage = page.locator("[data-stage]").bounding_box()
    x, y = stage["x"] + stage["width"] / 2, stage["y"] + stage["height"] / 2

    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - 100, y + 40)
    page.mouse.up()
    expect(page.locator("[data-window]")).to_have_text("C 158  W 181")

    edge = edge_of_the_picture(page)
    page.keyboard.press("p")
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 50, y)
    page.mouse.up()
    painted(page)
    assert edge_of_the_picture(page) == edge + 50
    expect(page.locator("[data-window]")).to_have_text("C 158  W 181")
    expect(page.get_by_role("button", name="Move")).to_have_attribute("aria-pressed", "true")


def test_what_dragging_does_keys_do_too(scene, enter):
    page = enter(scene.reader, reverse("review:study", args=[scene.flagged[0].pk]))
    page.wait_for_selector("[data-viewer][data-ready]")
    window = page.locator("[data-window]")
    expect(window).to_have_text("C 128  W 256")

    page.keyboard.press("Shift+ArrowLeft")
    expect(window).to_have_text("C 128  W 244")
    page.keyboard.press("Shift+ArrowDown")
    expect(window).to_have_text("C 140  W 244")

    edge = edge_of_the_picture(page)
    page.keyboard.press("p")
    for key in ("Shift+ArrowRight", "Shift+ArrowRight", "Shift+ArrowUp"):
        page.keyboard.press(key)
    painted(page)
    assert edge_of_the_picture(page) == edge + 32
    expect(window).to_have_text("C 140  W 244")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("The same as dragging")


def test_filters_wait_for_their_button(scene, enter):
    page = enter(scene.reader, reverse("review:worklist"))
    before = page.url

    page.get_by_label("State").select_option(index=1)
    page.get_by_label("Answers").select_option(index=1)
    page.wait_for_timeout(300)
    assert page.url == before

    page.get_by_role("button", name="Filter").click()
    page.wait_for_url("**state=*")


def test_slices_are_scrolled_by_key_wheel_and_strip(scene, enter):
    page = enter(scene.reader, reverse("review:study", args=[scene.series.pk]))
    page.wait_for_selector("[data-viewer][data-ready]")
    place = page.locator("[data-place]")

    expect(place).to_have_text("12 / 12")  # it opens at the slice with the highest score
    page.keyboard.press("ArrowUp")
    expect(place).to_have_text("11 / 12")
    page.get_by_role("button", name="Picture 3", exact=True).click()
    expect(place).to_have_text("3 / 12")
    page.mouse.move(300, 400)
    page.mouse.wheel(0, 100)
    expect(place).to_have_text("4 / 12")


def test_a_preview_that_is_gone_is_said_and_the_page_stands(scene, enter):
    page = enter(scene.reader, reverse("review:worklist"))
    page.route("**/preview/", lambda route: route.fulfill(status=204, body=""))
    page.goto(reverse("review:study", args=[scene.flagged[0].pk]))

    expect(page.get_by_text("This preview could not be loaded")).to_be_visible()
    expect(page.get_by_role("button", name="Record answer")).to_be_visible()
