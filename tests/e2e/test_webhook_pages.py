"""Webhooks and e-mail in a real browser: nothing for axe to find, in both themes and on a tablet."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import expect

from screening.audit.actor import Actor
from screening.hooks.endpoints import add_endpoint
from screening.hooks.letters import confirmation_of
from screening.hooks.mail import want_mail
from screening.outbox.models import Delivery, Endpoint, EventKind, MailWish, SendState
from screening.users.models import Role
from tests.e2e.conftest import faults_seen, follow
from tests.factories import SiteFactory, UserFactory

pytestmark = pytest.mark.django_db(transaction=True)
LONG = "https://integration.radiology.teaching-hospital.example.org/chest-screening/hooks/receive?ward=3"


@pytest.fixture
def site():
    return SiteFactory(name="Teaching hospital")


@pytest.fixture
def admin(site):
    return UserFactory(username="m.okafor", role_at=(site, Role.ADMIN))


def delivery(endpoint, number: int, **columns) -> Delivery:
    columns = {"done_at": timezone.now(), **columns}
    kind = list(EventKind)[number % 4]
    return Delivery.objects.create(
        endpoint=endpoint, kind=kind, subject=endpoint.pk, subject_state="ready", change_number=number, **columns
    )


def test_an_endpoint_is_added_its_secret_shown_once_and_a_private_address_refused(admin, site, enter):
    page = enter(admin, reverse("admin_site", args=[site.pk]))
    follow(page, "Webhooks")
    assert faults_seen(page, "webhooks-empty") == []

    page.fill("#id_url", "https://169.254.169.254/latest/")
    page.get_by_label("study.ready").check()
    page.get_by_role("button", name="Add").click()
    expect(page.locator(".field-error")).to_contain_text("not public")
    assert faults_seen(page, "webhooks-refused") == []

    page.fill("#id_url", LONG)
    page.get_by_role("button", name="Add").click()
    assert page.locator("#secret").input_value().startswith("whsec_")
    assert faults_seen(page, "webhooks-added") == []
    page.goto(reverse("hooks:endpoints", args=[site.pk]))
    assert page.locator("#secret").count() == 0
    assert Endpoint.objects.get().kinds == ["study.ready"]


def test_what_was_given_up_is_sent_again_from_the_page(admin, site, enter):
    made = add_endpoint(site=site, url=LONG, kinds=list(EventKind), actor=Actor.user(admin)).endpoint
    long_ago = timezone.now() - timedelta(days=4)
    Endpoint.objects.update(disabled_at=timezone.now(), failing_since=long_ago, failures=51)
    dead = {"state": SendState.DEAD, "problem": "not_accepted", "answered": 503, "attempts": 15}
    rows = [delivery(made, number, **dead) for number in range(3)]
    delivery(made, 5, state=SendState.SENT, answered=200, attempts=1)
    delivery(made, 6, done_at=None)
    page = enter(admin, reverse("hooks:endpoint", args=[site.pk, made.pk]))
    assert faults_seen(page, "webhook-off") == []

    page.get_by_role("button", name="Switch on").click()
    page.get_by_label(f"Choose {rows[1].pk}").check()
    page.get_by_role("button", name="Send the chosen again").click()
    expect(page.locator(".notice")).to_contain_text("1 are sent again")
    states = {row.pk: row.state for row in Delivery.objects.filter(pk__in=[row.pk for row in rows])}
    assert states == {rows[0].pk: "dead", rows[1].pk: "waiting", rows[2].pk: "dead"}

    page.get_by_role("button", name="New secret").click()
    assert page.locator("#secret").input_value().startswith("whsec_")
    assert faults_seen(page, "webhook-rotated") == []
    follow(page, "Remove")
    assert faults_seen(page, "webhook-remove") == []
    page.get_by_role("button", name="Remove").click()
    expect(page.get_by_text("None yet.")).to_be_visible()


def test_somebody_says_where_e_mail_goes_and_takes_it_back(admin, enter):
    page = enter(admin, reverse("hooks:notifications"))
    page.fill("#id_address", "m.okafor@example.org")
    page.get_by_role("button", name="Store").click()
    expect(page.get_by_text("not confirmed yet")).to_be_visible()
    assert faults_seen(page, "mail-unconfirmed") == []

    wish = want_mail(user=admin, address="m.okafor@example.org", uploads=True)
    from_letter = reverse("hooks:confirm", args=[confirmation_of(wish)])
    page.goto(from_letter)
    assert faults_seen(page, "mail-confirm") == []
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_text("Your address is confirmed.").first).to_be_visible()
    assert faults_seen(page, "mail-confirmed") == []
    page.get_by_role("button", name="Send me nothing").click()
    expect(page.get_by_text("forgotten")).to_be_visible()
    assert not MailWish.objects.exists()
