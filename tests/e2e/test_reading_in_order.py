"""Reading in order, by keyboard: from sign-in to an empty list, with two readers, undo, and what came meanwhile."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import expect

from screening.results.models import ScreeningState
from screening.review import undo
from screening.review.models import Claim, Review
from screening.studies.models import Study, StudyState
from screening.users.models import Role
from tests.e2e.conftest import faults_seen
from tests.e2e.scene import _picture, a_site_at_work
from tests.factories import ScreeningFactory, SiteFactory, StudyFactory, UploadFactory, UserFactory
from tests.workers.processes import until

pytestmark = pytest.mark.django_db(transaction=True)
PASSWORD = "correct horse battery"
STUDIES = 30


def a_list(site, *, studies: int, gray=None) -> list[Study]:
    """Studies that wait: every fourth is flagged, some of the rest are overdue."""
    upload = UploadFactory(site=site, finished=True)
    made = []
    for place in range(studies):
        flagged = place % 4 == 0
        done = timezone.now() - timedelta(hours=60 - place * 2)
        study = StudyFactory(upload=upload, ready=True, flagged=flagged, completed_at=done)
        image = _picture(study, 500 + place, gray=gray)
        ScreeningFactory(image=image, scored_flagged=flagged, scored=not flagged)
        made.append(study)
    return made


def reader_at(site, name="rea"):
    user = UserFactory(username=name, role_at=(site, Role.REVIEWER))
    user.set_password(PASSWORD)
    user.save()
    return user


def tab_to(page, text: str) -> None:
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent.trim()").startswith(text):
            return
    raise AssertionError(f"{text} was not reached by Tab")


def shown(page) -> str:
    page.wait_for_selector("[data-viewer][data-ready]")
    return page.locator("[data-next-form] [name=leaving]").get_attribute("value")


def test_a_reader_clears_thirty_studies_by_keyboard_alone_from_sign_in_to_an_empty_list(browser, live_server):
    site = SiteFactory(flagged_hours=4, rest_hours=48)
    reader = reader_at(site)
    waiting = {str(study.pk) for study in a_list(site, studies=STUDIES)}
    context = browser.new_context(base_url=live_server.url, viewport={"width": 1280, "height": 860})
    context.set_default_timeout(90_000)
    page = context.new_page()
    page.goto(reverse("sign_in"))
    expect(page.locator("[name=username]")).to_be_focused()  # else what is typed first is lost
    page.keyboard.type("rea")
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/worklist/")
    tab_to(page, "To read")
    page.keyboard.press("Enter")
    page.wait_for_url("**/read/")

    page.keyboard.press("n")
    read = []
    while len(read) < STUDIES:
        study = shown(page)
        read.append(study)
        page.keyboard.press("1" if len(read) % 5 == 0 else "2")
        page.keyboard.press("Enter")
        expect(page.locator("#answers .notice-good")).to_be_visible()
        page.wait_for_selector("[data-viewer][data-ready]")
        page.keyboard.press("n")
        if len(read) < STUDIES:
            page.wait_for_function("old => document.querySelector('[name=leaving]')?.value !== old", arg=study)
    expect(page.get_by_text("Nothing waits to be read")).to_be_visible()
    context.close()

    assert len(set(read)) == STUDIES
    assert set(read) == waiting
    assert Review.objects.filter(reader=reader, superseded_by__isnull=True).count() == STUDIES
    assert not Study.objects.exclude(state=StudyState.REVIEWED).exists()
    assert not Claim.objects.exists()


def test_the_second_reader_is_told_who_reads_and_goes_on_to_the_next(enter):
    site = SiteFactory()
    first, second = reader_at(site, "rea"), reader_at(site, "bob")
    studies = a_list(site, studies=3)
    address = f"{reverse('review:study', args=[studies[0].pk])}?tray=to_read"
    one = enter(first, address)
    expect(one.locator("#claim [data-token]")).to_be_attached()

    two = enter(second, address)
    expect(two.locator("#claim")).to_contain_text("rea is reading this study.")
    assert faults_seen(two, "study-taken") == []
    two.get_by_role("button", name="Take the next study to be read").click()
    two.wait_for_function("old => document.querySelector('[name=leaving]')?.value !== old", arg=str(studies[0].pk))
    taken = shown(two)

    assert Claim.objects.get(reader=second).study_id != studies[0].pk
    assert taken == str(Claim.objects.get(reader=second).study_id)
    one.goto(reverse("review:to_read"))
    until(lambda: not Claim.objects.filter(reader=first).exists(), patience=30, otherwise="still claimed")


def answer_shown(page) -> str:
    """Answer the study of the page once the next one was fetched ahead, as it nearly always was."""
    study = shown(page)
    page.wait_for_selector("[data-next-form][data-ahead]", state="attached")
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    expect(page.locator("#answers .notice-good")).to_be_visible()
    page.wait_for_selector("[data-viewer][data-ready]")
    return study


def go_on_from(page, study: str) -> None:
    page.keyboard.press("n")
    page.wait_for_function("old => document.querySelector('[name=leaving]')?.value !== old", arg=study)


def test_an_answer_is_taken_back_by_key_from_the_next_study(enter):
    site = SiteFactory()
    reader = reader_at(site)
    a_list(site, studies=3)
    page = enter(reader, reverse("review:to_read"))
    page.keyboard.press("n")
    study = answer_shown(page)
    go_on_from(page, study)
    expect(page.locator("form[data-undo]")).to_have_count(1)
    page.wait_for_selector("[data-viewer][data-ready]")

    page.keyboard.press("z")
    page.wait_for_url(f"**/{study}/**")

    expect(page.get_by_text("Your answer was taken back.")).to_be_visible()
    assert Review.objects.get().is_withdrawn
    assert Study.objects.get(pk=study).state == StudyState.READY


def test_of_two_answers_the_key_takes_back_the_one_that_was_given_last(enter, monkeypatch):
    monkeypatch.setattr(undo, "SECONDS", 120)
    site = SiteFactory()
    reader = reader_at(site)
    a_list(site, studies=4)
    page = enter(reader, reverse("review:to_read"))
    page.keyboard.press("n")
    first = answer_shown(page)
    go_on_from(page, first)
    last = answer_shown(page)
    expect(page.locator("form[data-undo]")).to_have_count(2)

    page.keyboard.press("z")
    page.wait_for_url(f"**/{last}/**")

    expect(page.get_by_text("Your answer was taken back.")).to_be_visible()
    assert Review.objects.get(study=last).is_withdrawn
    assert not Review.objects.get(study=first).is_withdrawn


def test_what_was_typed_comes_back_when_a_picture_came_meanwhile(enter):
    site = SiteFactory()
    reader = reader_at(site)
    [study, *_] = a_list(site, studies=2)
    page = enter(reader, f"{reverse('review:study', args=[study.pk])}?tray=to_read")
    page.wait_for_selector("[data-viewer][data-ready]")
    Study.objects.filter(pk=study.pk).update(revision=2)
    page.keyboard.press("3")
    page.keyboard.press("c")
    page.keyboard.type("left base")
    page.get_by_role("button", name="Record answer").click()
    expect(page.get_by_text("A picture of this study came in")).to_be_visible()

    page.get_by_role("link", name="Look at the study as it is now").click()
    page.wait_for_selector("[data-viewer][data-ready]")

    expect(page.get_by_label("Comment")).to_have_value("left base")
    expect(page.get_by_label("Unsure")).to_be_checked()
    page.get_by_role("button", name="Record answer").click()
    expect(page.locator("#answers .notice-good")).to_be_visible()
    assert Review.objects.get().comment == "left base"


@pytest.mark.parametrize("name", ["to_read", "summary", "not_assessed", "worklist"])
def test_nothing_is_wrong_with_the_lists_of_the_room(enter, name):
    scene = a_site_at_work()
    more = "?modality=ct&age=1" if name == "worklist" else ""
    page = enter(scene.reader, f"{reverse(f'review:{name}')}{more}")
    page.wait_for_load_state("networkidle")

    assert faults_seen(page, f"room-{name}") == []


def test_nothing_is_wrong_with_the_page_of_a_site_and_its_limits(enter):
    scene = a_site_at_work()
    page = enter(scene.admin, reverse("admin_site", args=[scene.site.pk]))

    assert faults_seen(page, "room-site") == []


def test_one_key_answers_what_cannot_be_used_and_the_marked_row_stays_marked(enter):
    scene = a_site_at_work()
    page = enter(scene.reader, reverse("review:not_assessed"))
    page.keyboard.press("j")
    page.keyboard.press("x")

    expect(page.get_by_text("Recorded as not assessable: technically unusable.")).to_be_visible()
    assert Review.objects.get().reason == "technically unusable"
    page.wait_for_function("document.activeElement.matches('a.row-target')")
    page.keyboard.press("z")
    page.wait_for_url(f"**/{scene.not_assessed.pk}/**")
    assert Review.objects.get().is_withdrawn


def test_of_two_rows_that_one_key_answered_the_last_is_taken_back(enter):
    scene = a_site_at_work()
    other = StudyFactory(upload=scene.upload, incomplete=True, completed_at=timezone.now() - timedelta(hours=2))
    image = _picture(other, 61, not_assessed="not_chest")
    ScreeningFactory(image=image, model_version=scene.xray, state=ScreeningState.INCONCLUSIVE, code="not_chest")
    page = enter(scene.reader, reverse("review:not_assessed"))
    for done in (1, 2):
        page.keyboard.press("j")
        page.keyboard.press("x")
        expect(page.get_by_text("Recorded as not assessable: technically unusable.")).to_have_count(done)
        page.wait_for_function("document.activeElement.matches('a.row-target')")

    page.keyboard.press("z")
    page.wait_for_url(f"**/{other.pk}/**")

    assert Review.objects.get(study=other).is_withdrawn
    assert not Review.objects.get(study=scene.not_assessed).is_withdrawn


def test_what_came_is_told_and_no_row_moves(enter):
    site = SiteFactory()
    reader = reader_at(site)
    a_list(site, studies=2)
    page = enter(reader, reverse("review:to_read"))
    page.keyboard.press("j")
    rows = page.locator("[data-row] .row-target").all_inner_texts()
    StudyFactory(upload=UploadFactory(site=site, finished=True), flagged_ready=True)

    expect(page.locator("#news")).to_contain_text("1 study came to this list")

    assert page.locator("[data-row] .row-target").all_inner_texts() == rows
    assert page.evaluate("document.activeElement.className") == "row-target"
    page.get_by_role("link", name="Show the list as it is now").click()
    expect(page.locator("[data-row]")).to_have_count(3)
