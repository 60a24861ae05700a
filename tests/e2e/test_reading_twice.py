"""A second reader and an adjudicator in a real browser, by keyboard, from sign-in to the final answer."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page, expect

from screening.audit.actor import Actor
from screening.review.models import FurtherRead, Review
from screening.review.services import AnswerIn, record_review
from screening.users.models import Role, Site, User
from tests.e2e.conftest import PATIENCE, faults_seen
from tests.e2e.scene import a_site_at_work
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db(transaction=True)
PASSWORD = "correct horse battery"


@pytest.fixture
def scene():
    """A blinded site that reads everything twice; the first reader has answered about one study."""
    scene = a_site_at_work()
    Site.objects.update(blinded_since=timezone.now() - timedelta(days=9), second_share=1.0)
    return scene


@pytest.fixture
def stranger(browser, live_server):
    """Open a page as nobody yet, as often as asked."""
    contexts = []

    def open_page() -> Page:
        contexts.append(browser.new_context(base_url=live_server.url, viewport={"width": 1280, "height": 860}))
        contexts[-1].set_default_timeout(PATIENCE)
        page = contexts[-1].new_page()
        page.goto(reverse("sign_in"))
        return page

    yield open_page
    for context in contexts:
        context.close()


def somebody(scene, name: str) -> User:
    user = UserFactory(username=name, role_at=(scene.site, Role.REVIEWER))
    user.set_password(PASSWORD)
    user.save()
    return user


def sign_in(page: Page, name: str) -> None:
    """By keyboard: the first field has the focus."""
    expect(page.locator("[name=username]")).to_be_focused()  # else what is typed first is lost
    page.keyboard.type(name)
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Worklist").wait_for()


def tab_to(page: Page, text: str) -> None:
    """Move the focus along the page until it is on the link with these words."""
    for _ in range(40):
        page.keyboard.press("Tab")
        if text in (page.evaluate("document.activeElement.textContent") or ""):
            return
    raise AssertionError(f"{text} cannot be reached by keyboard")


def answer_first(page: Page, tray: str, digit: str) -> None:
    """Go to a tray, open its first study and answer."""
    tab_to(page, tray)
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name=tray)).to_have_attribute("aria-current", "page")
    page.wait_for_load_state("load")
    page.keyboard.press("n")
    page.wait_for_selector("[data-viewer][data-ready]")
    expect(page.locator("main")).not_to_contain_text("0.91")
    page.keyboard.press(digit)
    page.keyboard.press("Enter")
    expect(page.locator("#answers .notice-good")).to_be_visible()


def test_a_second_reader_and_an_adjudicator_come_in_and_answer_by_keyboard(scene, stranger):
    study = scene.flagged[0]  # its score is 0.91
    record_review(
        study_id=study.pk,
        reader=scene.reader,
        answers={"covid": AnswerIn(answer="present")},
        comment="",
        actor=Actor.user(scene.reader),
    )
    somebody(scene, "sec")
    somebody(scene, "adj")

    page = stranger()
    sign_in(page, "sec")
    answer_first(page, "Second read", "2")
    expect(page.locator("main")).to_contain_text("What the models say")
    expect(page.locator("main")).to_contain_text("0.91")

    page = stranger()
    sign_in(page, "adj")
    answer_first(page, "Adjudication", "1")

    said = Review.objects.filter(study=study).order_by("created_at").values_list("kind", "answer", "reader__username")
    assert list(said) == [
        ("first", "present", "rea"),
        ("second_random", "absent", "sec"),
        ("adjudication", "present", "adj"),
    ]
    assert set(FurtherRead.objects.values_list("stage", "state")) == {("second", "done"), ("adjudication", "done")}


@pytest.mark.parametrize("name", ["blinded", "second", "adjudication"])
def test_nothing_is_wrong_with_the_lists(scene, enter, name):
    page = enter(scene.reader, reverse(f"review:{name}"))
    page.wait_for_load_state("networkidle")

    assert faults_seen(page, f"blind-{name}") == []


def test_nothing_is_wrong_with_a_hidden_study_a_hidden_series_and_two_opinions(scene, enter):
    one, two = (UserFactory(role_at=(scene.site, Role.REVIEWER)) for _ in range(2))
    for reader, value in ((one, "present"), (two, "absent")):
        record_review(
            study_id=scene.flagged[0].pk,
            reader=reader,
            answers={"covid": AnswerIn(answer=value)},
            comment="",
            actor=Actor.user(reader),
        )

    for study, name in ((scene.flagged[1], "hidden"), (scene.series, "series"), (scene.flagged[0], "between")):
        page = enter(scene.reader, reverse("review:study", args=[study.pk]))
        page.wait_for_selector("[data-viewer][data-ready]")
        assert faults_seen(page, f"study-blind-{name}") == []


def test_nothing_is_wrong_with_the_policy_and_it_is_stored(scene, enter):
    page = enter(scene.admin, reverse("admin_site", args=[scene.site.pk]))
    page.get_by_label("Not flagged, drawn to be read, %").fill("12.5")
    page.get_by_role("region", name="Blinding, samples and second reads").get_by_role("button", name="Store").click()
    expect(page.locator("main")).to_contain_text("blinding holds at once")

    assert Site.objects.get(pk=scene.site.pk).sample_share == 0.125
    assert faults_seen(page, "reads-policy") == []


def test_a_blinded_reader_takes_an_answer_back_by_key_from_the_page_that_it_opened_and_from_the_next(scene, enter):
    page = enter(scene.reader, reverse("review:blinded"))
    page.keyboard.press("n")
    page.wait_for_selector("[data-viewer][data-ready]")
    for key in ("1", "Enter"):
        page.keyboard.press(key)
    page.wait_for_url("**recorded=1**")
    expect(page.locator("#answers .notice-good a")).to_be_focused()
    page.keyboard.press("z")
    expect(page.get_by_text("Your answer was taken back.")).to_be_visible()
    page.wait_for_selector("[data-viewer][data-ready]")
    assert "tray=blinded" in page.url
    first = Review.objects.get()
    assert (first.is_withdrawn, first.blinded) == (True, True)

    for key in ("2", "Enter"):
        page.keyboard.press(key)
    expect(page.locator("#answers .notice-good")).to_be_visible()
    page.wait_for_selector("[data-viewer][data-ready]")
    page.keyboard.press("n")
    page.wait_for_function("old => !location.pathname.includes(old)", arg=str(first.study_id))
    expect(page.locator("form[data-undo]")).to_have_count(1)
    expect(page.get_by_text("Shown after your answer")).to_be_visible()
    page.wait_for_selector("[data-viewer][data-ready]")
    page.keyboard.press("z")
    page.wait_for_url(f"**/{first.study_id}/**")

    expect(page.get_by_text("Your answer was taken back.")).to_be_visible()
    last = Review.objects.latest("created_at")
    assert (last.is_withdrawn, last.blinded) == (True, False)
