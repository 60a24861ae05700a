"""Coming in, tokens and sites in a real browser: nothing for axe to find, in both themes and on a tablet."""

import re

import pytest
from django.test import Client
from django.urls import reverse
from playwright.sync_api import Page, expect

from ml.vocabulary import DISCLAIMER
from screening.audit.actor import Actor
from screening.people.links import invite, make_sign_in_link
from screening.people.tokens import make_token
from screening.users.models import Membership, Role, Scope, User
from tests.e2e.conftest import faults_seen, follow
from tests.factories import SiteFactory, UserFactory

pytestmark = pytest.mark.django_db(transaction=True)
PASSWORD = "correct horse battery"


@pytest.fixture
def site():
    return SiteFactory(name="Teaching hospital")


@pytest.fixture
def admin(site):
    user = UserFactory(username="m.okafor", role_at=(site, Role.ADMIN))
    user.set_password(PASSWORD)
    user.save()
    for name, role in (("l.brandt", Role.STAFF), ("s.ito", Role.REVIEWER), ("pacs-bridge", Role.INTEGRATOR)):
        UserFactory(username=name, role_at=(site, role))
    return user


@pytest.fixture
def stranger(browser, live_server):
    """A page of somebody who is not signed in."""
    context = browser.new_context(
        base_url=live_server.url, viewport={"width": 1280, "height": 860}, reduced_motion="reduce"
    )
    yield context.new_page()
    context.close()


def submit(page: Page) -> None:
    page.locator("main form [type=submit]").first.click()


def test_nothing_is_wrong_with_the_pages_of_coming_in(admin, site, stranger):
    secret = make_sign_in_link(user=admin).secret
    invitation = invite(site=site, role=Role.REVIEWER, actor=Actor.user(admin)).secret
    found = []
    for name, address in (
        ("sign-in", "/sign-in/"),
        ("enter", reverse("enter", args=[secret])),
        ("useless-link", reverse("enter", args=["gone"])),
        ("not-found", "/nowhere/"),
        ("invitation", reverse("invitation", args=[invitation])),
    ):
        stranger.goto(address)
        found += faults_seen(stranger, name) if stranger.locator("[data-theme-toggle]").count() else []
    stranger.fill("#id_username", "two words")
    stranger.fill("#id_password", "short")
    stranger.fill("#id_again", "other")
    submit(stranger)

    assert found + faults_seen(stranger, "invitation-errors") == []
    assert stranger.locator(".field-error").count() == 3


def test_a_newcomer_joins_accepts_and_starts_with_the_keyboard_alone(admin, site, stranger):
    secret = invite(site=site, role=Role.INTEGRATOR, actor=Actor.user(admin)).secret
    stranger.goto(reverse("invitation", args=[secret]))
    stranger.focus("#id_username")
    for word in ("newcomer", PASSWORD, PASSWORD):
        stranger.keyboard.type(word)
        stranger.keyboard.press("Tab")
    stranger.keyboard.press("Enter")
    stranger.wait_for_url("**/disclaimer/**")
    expect(stranger.locator(".notice-success")).to_contain_text("You belong to the site now.")
    assert faults_seen(stranger, "disclaimer") == []

    stranger.focus("input[name=accept]")
    stranger.keyboard.press("Space")
    stranger.keyboard.press("Tab")
    stranger.keyboard.press("Enter")
    stranger.wait_for_url("**/tokens/")

    newcomer = User.objects.get(username="newcomer")
    assert Membership.objects.get(user=newcomer).role == Role.INTEGRATOR
    assert newcomer.acceptances.count() == 1


def test_a_wrong_password_is_told_and_eight_shut_the_door(admin, stranger):
    stranger.goto("/sign-in/")
    for number in range(8):
        stranger.fill("#id_username", "m.okafor")
        stranger.fill("#id_password", f"wrong{number}")
        submit(stranger)
        if number == 0:
            assert faults_seen(stranger, "sign-in-refused") == []

    expect(stranger.get_by_role("heading", name="Too many tries")).to_be_visible()
    assert faults_seen(stranger, "locked") == []


def test_a_token_is_made_copied_and_revoked(admin, site, enter):
    make_token(user=admin, site=site, name="Nightly folder watcher", scopes=[Scope.READ, Scope.UPLOAD], days=365)
    page = enter(admin, "/tokens/")
    assert faults_seen(page, "tokens") == []

    page.fill("#id_name", "Research export")
    page.get_by_label("Read results").check()
    page.get_by_label("I accept the disclaimer").check()
    page.get_by_role("button", name="Make token").click()
    secret = page.locator("#token").input_value()
    assert faults_seen(page, "token-made") == []
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    opened = Client().get("/api/v1/models/", headers={"Authorization": f"Token {secret}"}).status_code
    page.get_by_role("button", name="Revoke Research export").click()

    expect(page.get_by_role("row", name=re.compile("Research export"))).to_have_count(0)
    assert re.fullmatch("[0-9a-f]{64}", secret)
    assert opened == 200
    assert Client().get("/api/v1/models/", headers={"Authorization": f"Token {secret}"}).status_code == 401


def test_an_administrator_invites_changes_a_role_and_removes(admin, site, enter, live_server):
    page = enter(admin, reverse("admin_site", args=[site.pk]))
    assert faults_seen(page, "site") == []

    page.get_by_role("button", name="Make a link").click()
    assert page.locator("#link").input_value().startswith(f"{live_server.url}/invitation/")
    assert faults_seen(page, "site-invited") == []
    row = page.get_by_role("row", name=re.compile("l.brandt"))
    row.get_by_role("combobox").select_option("reviewer")
    row.get_by_role("button").click()
    expect(page.locator(".notice-success")).to_contain_text("l.brandt is now: Reviewer.")
    follow(page, "Remove s.ito")
    assert faults_seen(page, "member-remove") == []
    page.get_by_role("button", name="Remove").click()
    expect(page.locator(".notice-success")).to_contain_text("s.ito no longer belongs to this site.")
    follow(page, "What happened")

    assert faults_seen(page, "site-audit") == []
    expect(page.locator("tbody tr").first).to_contain_text("member:removed")
    roles = dict(site.memberships.values_list("user__username", "role"))
    assert roles == {"m.okafor": "admin", "l.brandt": "reviewer", "pacs-bridge": "integrator"}


def test_the_menu_opens_closes_by_escape_and_the_theme_stays_for_the_next_page(admin, enter):
    page = enter(admin, "/password/")
    assert faults_seen(page, "password") == []
    page.set_viewport_size({"width": 1280, "height": 860})
    menu = page.locator("details[data-menu]")

    menu.locator("summary").click()
    opened = menu.get_attribute("open")
    page.keyboard.press("Escape")
    before = page.locator("html").get_attribute("data-bs-theme")
    page.locator("[data-theme-toggle]").click()
    page.goto("/tokens/")

    assert opened == ""
    assert menu.get_attribute("open") is None
    assert {before, page.locator("html").get_attribute("data-bs-theme")} == {"dark", "light"}


def test_the_disclaimer_stays_in_view_and_hides_nothing_that_has_the_focus(admin, site, enter):
    page = enter(admin, reverse("admin_site", args=[site.pk]))
    page.set_viewport_size({"width": 820, "height": 420})
    hidden = []
    for _ in range(40):
        page.keyboard.press("Tab")
        hidden.append(page.evaluate(COVERED))

    expect(page.locator("footer.disclaimer")).to_be_in_viewport()
    expect(page.locator("footer.disclaimer")).to_have_text(DISCLAIMER)
    assert [name for name in hidden if name] == []


# The element with the focus, if the bar at the top or at the bottom lies over it (WCAG 2.2, 2.4.11).
COVERED = """() => {
  const focused = document.activeElement;
  if (focused === document.body || focused.closest('.topbar') || focused.matches('.skip-link')) return '';
  const box = focused.getBoundingClientRect();
  const top = document.querySelector('.topbar').getBoundingClientRect().bottom;
  const bottom = document.querySelector('footer.disclaimer').getBoundingClientRect().top;
  return box.bottom > bottom + 1 || box.top < top - 1 ? focused.outerHTML.slice(0, 80) : '';
}"""


def test_the_skip_link_leads_past_the_top_bar(admin, enter):
    page = enter(admin, "/tokens/")

    page.keyboard.press("Tab")
    skipped = page.evaluate("document.activeElement.textContent")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")

    assert skipped == "Skip to content"
    assert page.evaluate("document.activeElement.closest('main') !== null")
