import pytest
from django.test import Client
from django.urls import reverse

from ml.vocabulary import DISCLAIMER, DISCLAIMER_VERSION
from screening.people import middleware
from screening.users.models import DisclaimerAcceptance, Role
from tests.factories import SiteFactory, UserFactory
from tests.people.conftest import signed_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def newcomer():
    return UserFactory(accepted=False, role_at=(SiteFactory(), Role.STAFF))


def test_nobody_gets_past_the_disclaimer_without_accepting_it(newcomer):
    client = signed_in(newcomer)

    page = client.get("/tokens/?page=2")
    form = client.post("/tokens/", {"name": "x"})

    assert page["Location"] == "/disclaimer/?next=%2Ftokens%2F%3Fpage%3D2"
    assert form["Location"] == "/disclaimer/?next=%2F"
    assert not newcomer.auth_token_set.exists()


def test_accepting_stores_the_version_and_goes_on_to_where_one_wanted(newcomer):
    client = signed_in(newcomer)

    answer = client.post("/disclaimer/", {"accept": "on", "next": "/tokens/"})

    assert answer["Location"] == "/tokens/"
    assert newcomer.acceptances.get().version == DISCLAIMER_VERSION
    assert client.get("/tokens/").status_code == 200


def test_not_ticking_the_box_accepts_nothing(newcomer):
    answer = signed_in(newcomer).post("/disclaimer/", {"next": "/tokens/"})

    assert answer.status_code == 200
    assert "Nobody can go on without accepting it." in answer.content.decode()
    assert not DisclaimerAcceptance.objects.filter(user=newcomer).exists()


def test_accepting_twice_leaves_one_row_and_one_event(people):
    newcomer = UserFactory(accepted=False, role_at=(people.site, Role.STAFF))

    for _ in range(2):
        signed_in(newcomer).post("/disclaimer/", {"accept": "on"})

    assert newcomer.acceptances.count() == 1
    assert people.events() == [("disclaimer:accepted", f"user:{newcomer.pk}", {"version": DISCLAIMER_VERSION})]


def test_a_new_version_is_asked_for_again(people, monkeypatch):
    client = signed_in(people.colleague)
    assert client.get("/tokens/").status_code == 200

    monkeypatch.setattr(middleware, "DISCLAIMER_VERSION", "2")

    assert client.get("/tokens/")["Location"].startswith("/disclaimer/")


def test_accepting_sends_nobody_to_another_host(newcomer):
    answer = signed_in(newcomer).post("/disclaimer/", {"accept": "on", "next": "https://evil.example/"})

    assert answer["Location"] == "/"


def test_a_program_in_a_session_is_told_in_json_and_a_part_of_a_page_by_a_header(newcomer):
    client = signed_in(newcomer)

    api = client.get(reverse("api:models"))
    part = client.get("/tokens/", headers={"HX-Request": "true"})

    assert (api.status_code, api.json()["code"], api.json()["disclaimer"]) == (
        403,
        "disclaimer_not_accepted",
        DISCLAIMER,
    )
    assert part.status_code == 204
    assert part["HX-Redirect"] == "/disclaimer/?next=%2Ftokens%2F"


def test_who_has_not_accepted_can_still_sign_out(newcomer):
    assert signed_in(newcomer).post("/sign-out/")["Location"] == "/sign-in/"


def test_the_disclaimer_stands_on_pages_before_and_after_signing_in(people):
    outside = Client().get("/sign-in/").content.decode()
    inside = signed_in(people.admin).get("/tokens/").content.decode()

    assert DISCLAIMER in outside
    assert DISCLAIMER in inside


def test_a_remembered_acceptance_costs_no_query(people, django_assert_num_queries):
    client = signed_in(people.colleague)
    client.post("/disclaimer/", {"accept": "on"})

    with django_assert_num_queries(3):  # session, user, memberships of the top bar
        client.get("/password/")
