"""The answer by single keys in a real browser: no key changes an answer in passing, and the focus is never lost."""

import pytest
from playwright.sync_api import expect

from screening.results.models import ModelVersion
from screening.review.models import Review
from screening.studies.models import Study
from tests.e2e.conftest import violations
from tests.e2e.scene import a_site_at_work, opened

pytestmark = pytest.mark.django_db(transaction=True)
FOCUSED = "document.activeElement.closest('[data-finding]')?.querySelector('legend').textContent"


@pytest.fixture
def scene():
    return a_site_at_work()


@pytest.fixture
def two_findings(enter, scene):
    """A study about which two questions are asked: COVID-19, then pneumonia."""
    ModelVersion.objects.filter(pk=scene.xray.pk).update(flag_labels=["covid", "pneumonia"])
    return opened(enter, scene, scene.flagged[0])


def press(page, *keys):
    for key in keys:
        page.keyboard.press(key)


def answers() -> dict[str, str]:
    return dict(Review.objects.filter(superseded_by__isnull=True).values_list("finding", "answer"))


@pytest.mark.parametrize("reached", ["by digit", "by mouse"])
def test_keys_that_scroll_and_drag_change_no_answer(enter, scene, reached):
    page = opened(enter, scene, scene.series)
    place = page.locator("[data-place]")
    expect(place).to_have_text("12 / 12")
    if reached == "by digit":
        press(page, "1")
    else:
        page.get_by_label("Present").click()

    press(page, "ArrowUp", "ArrowUp", "ArrowDown")
    expect(place).to_have_text("11 / 12")
    press(page, "PageUp")
    expect(place).to_have_text("1 / 12")
    press(page, "PageDown", "Shift+ArrowRight", "Shift+ArrowUp")
    expect(place).to_have_text("11 / 12")
    expect(page.locator("[data-stage] [data-window]")).not_to_have_text("C 128  W 256")
    expect(page.get_by_label("Present")).to_be_checked()
    press(page, "Enter")

    expect(page.locator("#answers .notice-good")).to_be_visible()
    assert answers() == {"covid": "present"}


def test_an_arrow_changes_no_answer_about_a_single_picture_either(enter, scene):
    page = opened(enter, scene, scene.flagged[0])
    press(page, "1", "ArrowDown", "ArrowRight", "PageDown", "Enter")

    expect(page.locator("#answers .notice-good")).to_be_visible()
    assert answers() == {"covid": "present"}


def test_within_a_question_left_and_right_choose_for_who_went_there(enter, scene):
    page = opened(enter, scene, scene.series)
    page.get_by_label("Present").focus()
    press(page, "Space", "ArrowRight", "Enter")

    expect(page.locator("#answers .notice-good")).to_be_visible()
    assert answers() == {"covid": "absent"}


def test_the_slider_of_slices_keeps_its_arrows(enter, scene):
    page = opened(enter, scene, scene.series)
    page.get_by_label("Slice").focus()
    press(page, "ArrowLeft")

    expect(page.locator("[data-place]")).to_have_text("11 / 12")


def test_two_keys_answer_two_questions_and_the_one_in_turn_is_marked(two_findings):
    page = two_findings
    current = page.locator("[data-finding].is-current legend")
    expect(current).to_contain_text("COVID-19")

    press(page, "1")
    expect(current).to_contain_text("neumonia")
    assert "neumonia" in page.evaluate(FOCUSED)
    press(page, "2")
    expect(current).to_have_count(0)
    press(page, "4")
    expect(page.locator("[data-said]")).to_contain_text("Every question is answered.")
    assert violations(page) == []
    press(page, "Enter")

    expect(page.locator("#answers .notice-good")).to_be_visible()
    assert answers() == {"covid": "present", "pneumonia": "absent"}


def test_an_answered_question_is_changed_by_who_goes_there(two_findings):
    page = two_findings
    press(page, "1", "2")
    page.locator("[data-finding]").first.get_by_label("Present").focus()
    press(page, "3", "Enter")

    expect(page.locator("#answers .notice-good")).to_be_visible()
    assert answers() == {"covid": "unsure", "pneumonia": "absent"}


def test_a_digit_after_a_click_answers_the_next_question(two_findings):
    page = two_findings
    page.locator("[data-finding]").first.get_by_label("Absent").click()
    press(page, "1", "Enter")

    expect(page.locator("#answers .notice-good")).to_be_visible()
    assert answers() == {"covid": "absent", "pneumonia": "present"}


def test_the_only_question_takes_another_digit(enter, scene):
    page = opened(enter, scene, scene.flagged[0])
    press(page, "1", "2")
    expect(page.locator("[data-said]")).to_contain_text("Absent")
    press(page, "Enter")

    expect(page.locator("#answers .notice-good")).to_be_visible()
    assert answers() == {"covid": "absent"}


def test_enter_in_the_reason_records_and_the_next_keys_work(enter, scene):
    page = opened(enter, scene, scene.flagged[0])
    press(page, "4")
    page.get_by_label("Why it cannot be assessed").select_option(label="Cut off or rotated")
    press(page, "Enter")
    expect(page.locator("#answers .notice-good")).to_be_visible()
    assert Review.objects.get().reason == "cut off or rotated"

    press(page, "n")
    page.wait_for_url(f"**/studies/{scene.flagged[1].pk}/**")


def test_enter_in_the_reason_goes_on_while_a_question_is_open(two_findings):
    page = two_findings
    press(page, "4")
    page.locator("[data-reason]").first.get_by_label("Why it cannot be assessed").select_option(index=1)
    press(page, "Enter", "2", "Enter")

    expect(page.locator("#answers .notice-good")).to_be_visible()
    assert answers() == {"covid": "not_assessable", "pneumonia": "absent"}


def test_after_an_answer_the_focus_is_on_the_way_on_and_after_a_refusal_on_its_words(enter, scene):
    page = opened(enter, scene, scene.flagged[0])
    press(page, "4", "Enter")
    expect(page.locator("#answers .notice-danger")).to_be_focused()
    press(page, "1", "Enter")
    expect(page.locator("#answers .notice-good")).to_be_visible()
    expect(page.locator("#answers .notice a")).to_be_focused()
    assert Review.objects.count() == 1


def test_after_the_last_answer_of_a_list_the_focus_is_on_the_answer(enter, scene):
    Study.objects.exclude(pk=scene.series.pk).update(state="reviewed")
    page = opened(enter, scene, scene.series)
    press(page, "1", "Enter")

    expect(page.locator("#answers .notice-good")).to_be_visible()
    expect(page.locator("#answers-title")).to_be_focused()
