"""The quick answer where something is in its way: the page says so, and can be used at once."""

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from screening.uploads.models import Upload
from screening.users.models import Role
from tests.e2e.conftest import faults_seen
from tests.factories import SiteFactory, UserFactory
from tests.phantoms import png_file

pytestmark = pytest.mark.django_db(transaction=True)
ONE = {"name": "one.png", "mimeType": "image/png", "buffer": png_file()}


@pytest.fixture
def page(enter):
    user = UserFactory(username="sam", role_at=(SiteFactory(), Role.STAFF))
    return enter(user, reverse("desk:quick"), broken_network=True)


def is_ready(page) -> None:
    for part in ("#verdict", "[data-quick]"):
        expect(page.locator(part)).not_to_have_attribute("aria-busy", "true")


def test_without_a_connection_it_says_so_and_takes_the_next_picture(page):
    page.route("**/quick/", lambda route: route.abort("connectionrefused"))
    page.set_input_files("#picture", ONE)
    expect(page.get_by_role("alert")).to_contain_text("The service cannot be reached. Drop the picture again.")
    is_ready(page)
    assert faults_seen(page, "quick-unreachable") == []

    page.unroute("**/quick/")
    page.set_input_files("#picture", ONE)
    expect(page.locator("#verdict[data-pending]")).to_contain_text("one.png")
    expect(page.get_by_role("alert")).to_have_count(0)


@pytest.mark.parametrize("status", [404, 503])
def test_after_an_answer_that_is_an_error_the_verdict_stands_as_it_was(page, status):
    page.route("**/quick/", lambda route: route.fulfill(status=status, body="<p>what happened</p>"))
    page.set_input_files("#picture", ONE)

    expect(page.locator("#notices")).to_contain_text("what happened")
    is_ready(page)
    expect(page.get_by_role("heading", name="The answer comes here")).to_be_visible()


def test_a_verdict_that_cannot_be_asked_for_is_asked_for_again(page):
    tries = []

    def broken_once(route):
        tries.append(1)
        if len(tries) == 1:
            route.abort("connectionrefused")
        else:
            route.continue_()

    page.route("**/quick/*-*/", broken_once)
    page.set_input_files("#picture", ONE)
    expect(page.get_by_role("alert")).to_contain_text("Asking again")
    expect(page.get_by_role("alert")).to_have_count(0)

    assert len(tries) >= 2
    assert Upload.objects.count() == 1
