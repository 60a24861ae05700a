"""Operating points and numbers in a real browser: from the sign-in of one administrator to the approval of another."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page, expect

from screening.results.models import Screening
from screening.results.services import thresholds_of
from screening.users.models import Role, User
from tests.e2e.conftest import faults_seen
from tests.factories import (
    ImageFactory,
    ModelVersionFactory,
    ScreeningFactory,
    SiteFactory,
    StudyFactory,
    UploadFactory,
    UserFactory,
)
from tests.numbers.answering import Ward
from tests.results.test_record_outcomes import claim, commit, scored

pytestmark = pytest.mark.django_db(transaction=True)
PASSWORD = "correct horse battery"


@pytest.fixture
def site():
    return SiteFactory(name="Teaching hospital")


@pytest.fixture
def version():
    return ModelVersionFactory(slug="xray-covid-3class", title="COVID-19, other pneumonia or normal")


@pytest.fixture
def scores(site, version):
    upload = UploadFactory(site=site, finished=True)
    for number in range(60):
        covid = (number * 37 % 100) / 100
        ScreeningFactory(
            image=ImageFactory(study=StudyFactory(upload=upload, ready=True)),
            model_version=version,
            scored=True,
            scores={"covid": covid, "normal": round(1 - covid, 2)},
            flagged=covid >= 0.5,
            done_at=timezone.now() - timedelta(days=number % 20, hours=1),
        )


def administrator(site, name: str) -> User:
    user = UserFactory(username=name, role_at=(site, Role.ADMIN))
    user.set_password(PASSWORD)
    user.save()
    return user


@pytest.fixture
def stranger(browser, live_server):
    """Make pages of people who are not signed in."""
    contexts = []

    def open_page() -> Page:
        context = browser.new_context(
            base_url=live_server.url, viewport={"width": 1280, "height": 860}, reduced_motion="reduce"
        )
        contexts.append(context)
        return context.new_page()

    yield open_page
    for context in contexts:
        context.close()


def sign_in(page: Page, name: str) -> None:
    page.goto("/sign-in/")
    page.fill("#id_username", name)
    page.fill("#id_password", PASSWORD)
    page.locator("main form [type=submit]").first.click()
    page.wait_for_url(lambda address: "/sign-in" not in address)


def open_points(page: Page, site) -> None:
    page.goto(reverse("admin_site", args=[site.pk]))
    page.get_by_role("link", name="Operating points").click()
    expect(page.get_by_role("heading", name="Operating points", exact=True)).to_be_visible()
    page.wait_for_load_state()  # htmx hears of a change only once it has bound the form


def test_an_administrator_changes_an_operating_point_with_a_colleague(site, version, scores, stranger):
    administrator(site, "ada")
    administrator(site, "bea")
    page = stranger()
    sign_in(page, "ada")
    open_points(page, site)

    page.fill("#id_value", "0.3")
    page.keyboard.press("Tab")
    expect(page.locator("#other-flags")).to_have_text("42")
    expect(page.locator("figure .uplot canvas")).to_be_visible()
    assert faults_seen(page, "thresholds") == []
    page.fill("#id_reason", "Two cases were missed in October")
    page.get_by_role("button", name="Propose 0.3").click()
    expect(page.locator(".notice-success")).to_contain_text("another administrator of the site approves it")
    expect(page.get_by_text("Another administrator decides.")).to_be_visible()
    assert page.get_by_role("button", name="Approve").count() == 0
    assert thresholds_of(site_ids=[site.pk], version=version)[site.pk] == {"covid": 0.5}

    colleague = stranger()
    sign_in(colleague, "bea")
    open_points(colleague, site)
    assert faults_seen(colleague, "thresholds-to-decide") == []
    colleague.get_by_role("button", name="Approve").click()
    expect(colleague.locator(".notice-success")).to_contain_text("what is screened from now on")

    assert thresholds_of(site_ids=[site.pk], version=version)[site.pk] == {"covid": 0.3}
    colleague.goto(reverse("site_audit", args=[site.pk]))
    for action in ("point:proposed", "point:approved"):
        expect(colleague.get_by_text(action)).to_be_visible()


def test_a_lone_administrator_is_told_that_a_colleague_is_needed(site, version, scores, enter):
    page = enter(administrator(site, "ada"), reverse("numbers:thresholds", args=[site.pk]))

    expect(page.locator(".notice-warning")).to_contain_text("A colleague is needed")
    assert faults_seen(page, "thresholds-alone") == []


def test_the_numbers_of_a_year_are_shown_drawn_and_taken_away_as_a_table(site, version, enter):
    Ward(site, version).a_sampled_year(sampled=60, missed=3)
    page = enter(administrator(site, "ada"), "/")
    page.get_by_role("link", name="Numbers").click()

    expect(page.get_by_role("heading", name="Numbers", exact=True)).to_be_visible()
    expect(page.locator(".ppv")).to_contain_text("readers marked the finding present in about 67")
    expect(page.locator("figure .uplot canvas")).to_have_count(2)
    assert faults_seen(page, "numbers") == []
    with page.expect_download() as taken:
        page.get_by_role("link", name="CSV").click()
    assert "sensitivity,weighted,0.4" in taken.value.path().read_text()


def test_a_site_that_begins_is_told_what_is_not_known_yet(site, version, enter):
    page = enter(administrator(site, "ada"), reverse("numbers:numbers", args=[site.pk]))

    expect(page.locator(".ppv")).to_contain_text("not yet known")
    assert faults_seen(page, "numbers-empty") == []


def test_an_upgrade_is_tried_and_a_colleague_switches(site, version, scores, stranger):
    administrator(site, "ada")
    administrator(site, "bea")
    newer = ModelVersionFactory(slug=version.slug, version="1.1.0", title=version.title)
    page = stranger()
    sign_in(page, "ada")
    page.goto(reverse("numbers:upgrades", args=[site.pk]))
    assert faults_seen(page, "upgrades") == []
    page.get_by_role("button", name="Begin").first.click()
    expect(page.locator(".notice-success")).to_contain_text("The replay began")
    for row in Screening.with_trials.filter(trial=True):
        lease, rows = claim(newer, limit=1)
        commit(lease, rows, scored((row.pk.int % 100) / 100))

    page.reload()
    expect(page.get_by_text("another administrator of the site switches")).to_be_visible()
    colleague = stranger()
    sign_in(colleague, "bea")
    colleague.goto(page.url)
    assert faults_seen(colleague, "replay") == []
    colleague.get_by_role("button", name=f"Switch to {newer.name}").click()
    expect(colleague.locator(".notice-success")).to_contain_text("Switched.")
