"""What was chosen and not recorded, in a real browser: kept on every way off the page, and told for what it is."""

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from screening.review.models import Review
from tests.e2e.conftest import violations
from tests.e2e.scene import a_site_at_work

pytestmark = pytest.mark.django_db(transaction=True)
NOTE = "This is a draft from before. It is not recorded."


@pytest.fixture
def scene():
    return a_site_at_work()


@pytest.fixture
def drafted(enter, scene):
    """A study with an answer and a comment in its form, of which nothing is recorded."""
    page = enter(scene.reader, reverse("review:study", args=[scene.flagged[0].pk]))
    page.wait_for_selector("[data-viewer][data-ready]")
    page.keyboard.press("3")
    page.keyboard.press("c")
    page.keyboard.type("left base")
    page.get_by_label("Unsure").focus()
    return page


def back_at(page, study):
    page.goto(reverse("review:study", args=[study.pk]))
    page.wait_for_selector("[data-viewer][data-ready]")
    return page


@pytest.mark.parametrize("key", ["n", "u"])
def test_what_was_not_recorded_comes_back_as_a_draft(drafted, scene, key):
    page = drafted
    before = page.url
    page.keyboard.press(key)
    page.wait_for_url(lambda address: address != before)
    if key == "n":
        expect(page.locator("[data-said]")).to_have_text("What you had not recorded is kept as a draft.")
        expect(page.get_by_text(NOTE)).to_be_hidden()
        expect(page.get_by_label("Comment")).to_have_value("")

    back_at(page, scene.flagged[0])
    expect(page.get_by_text(NOTE)).to_be_visible()
    expect(page.get_by_label("Unsure")).to_be_checked()
    expect(page.get_by_label("Comment")).to_have_value("left base")
    assert violations(page) == []
    assert not Review.objects.exists()


def test_a_recorded_answer_leaves_no_draft(drafted, scene):
    page = drafted
    page.keyboard.press("Enter")
    expect(page.locator("#answers .notice-good")).to_be_visible()

    back_at(page, scene.flagged[0])
    expect(page.get_by_text(NOTE)).to_be_hidden()
    expect(page.get_by_label("Unsure")).to_be_checked()
    assert page.evaluate("Object.keys(sessionStorage).filter((key) => key.startsWith('draft'))") == []


def test_a_draft_can_be_discarded(drafted, scene):
    page = back_at(drafted, scene.flagged[0])
    page.get_by_role("button", name="Discard it").click()
    expect(page.get_by_text(NOTE)).to_be_hidden()
    expect(page.get_by_label("Unsure")).not_to_be_checked()

    back_at(page, scene.flagged[0])
    expect(page.get_by_text(NOTE)).to_be_hidden()


def test_a_draft_is_shown_to_nobody_else_in_the_same_tab(drafted, scene):
    page = drafted
    page.evaluate("document.querySelector('[data-answer-form]').dataset.answerForm = '0'")  # another reader's

    back_at(page, scene.flagged[0])
    expect(page.get_by_label("Comment")).to_have_value("")
    expect(page.get_by_text(NOTE)).to_be_hidden()
