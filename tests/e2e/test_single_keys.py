"""Single keys in a real browser: they can be switched off, drags have buttons, and a key that cannot act says so."""

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from screening.review.models import Review
from screening.studies.models import Study
from tests.classes.taught import a_class
from tests.e2e.conftest import violations
from tests.e2e.scene import a_site_at_work, opened

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def scene():
    return a_site_at_work()


def test_single_keys_are_switched_off_for_this_browser_and_arrows_choose_answers_again(enter, scene):
    page = opened(enter, scene, scene.series)
    page.keyboard.press("?")
    page.get_by_label("Single keys").uncheck()
    assert violations(page) == []
    page.keyboard.press("Escape")
    page.reload()
    page.wait_for_selector("[data-viewer][data-ready]")

    for key in ("1", "i", "?", "n"):
        page.keyboard.press(key)
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.get_by_role("button", name="Invert")).to_have_attribute("aria-pressed", "false")
    expect(page.get_by_label("Present")).not_to_be_checked()
    page.get_by_label("Present").focus()
    for key in ("Space", "ArrowDown", "Enter"):
        page.keyboard.press(key)
    expect(page.locator("#answers .notice-good")).to_be_visible()
    assert Review.objects.get().answer == "absent"

    page.get_by_role("button", name="Keys").click()
    page.get_by_label("Single keys").check()
    page.keyboard.press("Escape")
    page.keyboard.press("i")
    expect(page.get_by_role("button", name="Invert")).to_have_attribute("aria-pressed", "true")


@pytest.mark.parametrize("name", ["radiograph", "series"])
def test_window_and_place_change_without_a_drag(enter, scene, name):
    page = opened(enter, scene, scene.flagged[0] if name == "radiograph" else scene.series)
    window = page.locator("[data-stage] [data-window]")
    expect(window).to_have_text("C 128  W 256")
    page.get_by_text("Adjust").click()
    assert violations(page) == []

    page.get_by_role("button", name="Wider").click()
    expect(window).to_have_text("C 128  W 320")
    page.get_by_role("button", name="Narrower").click()
    page.get_by_role("button", name="Darker").click()
    expect(window).to_have_text("C 140  W 256")
    page.get_by_role("button", name="Brighter").click()
    expect(window).to_have_text("C 128  W 256")
    left = "() => document.querySelector('[data-viewer] canvas').getContext('2d').getTransform().e"
    before = page.evaluate(left)
    page.get_by_role("button", name="Move right").click()
    page.wait_for_function(f"before => ({left})() === before + 48", arg=before)


def test_a_key_that_cannot_act_says_so(enter, scene):
    Study.objects.exclude(pk=scene.series.pk).update(state="reviewed")
    page = opened(enter, scene, scene.series)
    said = page.locator("[data-said]")

    for key, words in (("l", "no such window"), ("n", "the last study"), ("z", "can still be taken back")):
        page.keyboard.press(key)
        expect(said).to_contain_text(words)
    expect(said).to_have_attribute("role", "status")


def test_a_case_has_the_same_list_of_keys(enter):
    taught = a_class(cases=(("covid", 0.9), ("normal", 0.1)))
    found = taught.opened()
    case = reverse("classroom:case", args=[found.pk, found.cases.first().pk])
    page = enter(taught.students[0], case, broken_network=True)  # its preview was never drawn
    page.get_by_role("button", name="Keys").click()

    listed = page.get_by_role("dialog").inner_text()
    shared = ("Magnifier", "The same as dragging", "Ten slices on", "Next case")
    assert [words for words in shared if words not in listed] == []
    assert [words for words in ("Heat map", "Undo", "comment") if words in listed] == []
