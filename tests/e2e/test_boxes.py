"""Marking where a finding is, in a real browser: by keyboard alone, and by hand on a picture that was turned."""

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from screening.review.models import Review
from tests.e2e.conftest import violations
from tests.e2e.scene import a_site_at_work
from tests.e2e.test_reading import painted

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def scene():
    return a_site_at_work()


def opened(enter, scene, study=None, who=None):
    page = enter(who or scene.reader, reverse("review:study", args=[(study or scene.flagged[0]).pk]))
    page.wait_for_selector("[data-viewer][data-ready]")
    painted(page)
    return page


def field(page) -> list[float]:
    return [float(part) for part in page.locator("input[data-box]").input_value().split()[1:]]


def recorded(page) -> dict:
    page.keyboard.press("Enter")
    expect(page.locator("#answers .notice-good")).to_be_visible()
    return Review.objects.get(superseded_by__isnull=True).box


def test_a_box_is_placed_moved_sized_taken_away_and_recorded_by_keyboard_alone(scene, enter):
    page = opened(enter, scene)
    page.keyboard.press("1")
    page.keyboard.press("k")
    box = page.get_by_role("application")
    expect(box).to_be_focused()
    left, top, width, height = field(page)
    assert abs(left + width / 2 - 0.5) < 0.01
    assert abs(top + height / 2 - 0.5) < 0.01

    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Shift+ArrowDown")
    moved = field(page)
    assert (moved[0] < left, moved[1:3], moved[3] > height) == (True, [top, width], True)
    expect(box).to_have_attribute("aria-label", f"Opacities of a pattern reported in COVID-19. {words(page)}")
    assert violations(page) == []

    page.keyboard.press("Escape")
    expect(box).to_have_count(0)
    expect(page.locator("[data-finding]")).to_be_focused()
    page.keyboard.press("k")
    page.keyboard.press("2")
    expect(page.get_by_text("only “present” and “unsure” take one")).to_be_visible()
    expect(box).to_have_count(0)

    page.keyboard.press("3")
    page.keyboard.press("k")
    kept = recorded(page)
    assert kept["image"] == str(scene.flagged[0].images.get().pk)
    assert [kept["left"], kept["top"], kept["width"], kept["height"]] == [left, top, width, height]


def words(page) -> str:
    return page.locator(".box-note span").inner_text()


def test_a_box_drawn_on_a_turned_and_mirrored_picture_lies_where_it_was_drawn_once_that_is_straight(scene, enter):
    page = opened(enter, scene)
    page.keyboard.press("1")
    for key in "tx":
        page.keyboard.press(key)
    painted(page)
    stage = page.locator("[data-stage] canvas").bounding_box()
    x, y = stage["x"] + stage["width"] / 2, stage["y"] + stage["height"] / 2
    page.get_by_role("button", name="Box", exact=True).click()

    page.mouse.move(x + 20, y + 40)
    page.mouse.down()
    page.mouse.move(x + 60, y + 70)
    page.mouse.move(x + 120, y + 100)
    page.mouse.up()

    expect(page.get_by_role("application")).to_be_focused()
    expect(page.get_by_role("button", name="Window", exact=True)).to_have_attribute("aria-pressed", "true")
    drawn = page.get_by_role("application").bounding_box()
    assert [round(drawn["x"] - x), round(drawn["y"] - y)] == [20, 40]
    assert [round(drawn["width"]), round(drawn["height"])] == [100, 60]
    # Turned clockwise and then mirrored, what was right is seen below, and what was below on the right.
    left, top, width, height = field(page)
    assert left > 0.5 < top
    assert height * 640 > width * 600
    scale = height * 640 / 100  # pixels of the file for one of the screen
    assert abs(width * 600 / scale - 60) < 1.5

    page.keyboard.press("x")
    page.keyboard.press("T")
    painted(page)
    straight = page.get_by_role("application").bounding_box()
    assert [straight["width"] < straight["height"], straight["x"] > x, straight["y"] > y] == [True] * 3
    assert recorded(page) == {
        "image": str(scene.flagged[0].images.get().pk),
        **dict(zip(("left", "top", "width", "height"), (left, top, width, height), strict=True)),
    }


def test_others_see_a_box_on_its_slice_with_the_finding_and_who_answered(scene, enter):
    page = opened(enter, scene, scene.series)
    page.keyboard.press("ArrowUp")  # a slice back
    page.keyboard.press("1")
    page.keyboard.press("k")
    recorded(page)
    expect(page.locator(".viewer-stage .box")).to_have_count(1)

    page = opened(enter, scene, scene.series, scene.admin)
    box = page.locator(".viewer-stage .box")
    page.locator("[data-go]").first.click()
    painted(page)
    expect(box).to_have_count(0)
    page.get_by_role("button", name="Show the box").click()
    expect(box).to_have_attribute("aria-label", f"covid: present, {scene.reader.username}. {said(page)}")
    assert violations(page) == []


def said(page) -> str:
    return page.locator(".viewer-stage .box").get_attribute("aria-label").partition(". ")[2]
