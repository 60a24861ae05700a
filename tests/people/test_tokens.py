from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from ml.vocabulary import DISCLAIMER_VERSION
from screening.errors import NotAllowed
from screening.people.tokens import make_token
from screening.users.models import ApiToken, Membership, Role, Scope
from screening.users.roles import SCOPES_OF
from tests.factories import UserFactory
from tests.people.conftest import signed_in

MODELS = "/api/v1/models/"


def filled(people, **changes):
    return {"name": "archive", "site": str(people.site.pk), "scopes": ["read"], "days": "90", "accept": "on", **changes}


def call(secret: str):
    return Client().get(MODELS, headers={"Authorization": f"Token {secret}"})


def test_a_token_is_shown_once_and_opens_the_api(people):
    client = signed_in(people.colleague)

    made = client.post("/tokens/", filled(people))
    later = client.get("/tokens/")

    secret = made.context["made"].secret
    assert secret in made.content.decode()
    assert made["Cache-Control"].count("no-store") == 1
    assert secret not in later.content.decode()
    assert call(secret).status_code == 200


def test_only_the_hash_of_a_token_is_stored_and_no_part_of_it_is_in_the_audit(people):
    secret = signed_in(people.colleague).post("/tokens/", filled(people)).context["made"].secret

    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM users_apitoken")
        row = str(cursor.fetchall())
    assert secret not in row
    assert secret[:15] not in str(people.events())


def test_the_audit_tells_what_a_token_may_and_that_it_was_revoked(people):
    client = signed_in(people.colleague)
    token = client.post("/tokens/", filled(people, scopes=["read", "upload"])).context["made"].token

    client.post(reverse("token_revoke", args=[token.digest]))

    actor = f"user:{people.colleague.pk}"
    made = {"token": token.digest[:16], "scopes": ["read", "upload"], "days": 90, "disclaimer": DISCLAIMER_VERSION}
    assert people.events() == [
        ("token:made", actor, made),
        ("token:revoked", actor, {"token": token.digest[:16]}),
    ]


def test_a_revoked_token_opens_nothing_at_once(people):
    client = signed_in(people.colleague)
    made = client.post("/tokens/", filled(people)).context["made"]

    client.post(reverse("token_revoke", args=[made.token.digest]))

    assert call(made.secret).status_code == 401


def test_an_expired_token_opens_nothing(people):
    made = make_token(user=people.colleague, site=people.site, name="a", scopes=[Scope.READ], days=1)

    ApiToken.objects.update(expiry=timezone.now() - timedelta(seconds=1))

    assert call(made.secret).status_code == 401


def test_a_token_ends_after_the_days_that_were_asked_for(people):
    token = make_token(user=people.colleague, site=people.site, name="a", scopes=[Scope.READ], days=7).token

    assert timedelta(days=7) - timedelta(minutes=1) < token.expiry - timezone.now() <= timedelta(days=7)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"days": "0"}, "greater than or equal to 1"),
        ({"days": "366"}, "less than or equal to 365"),
        ({"scopes": []}, "This field is required."),
        ({"scopes": ["review"]}, "not one of the available choices"),
        ({"scopes": ["everything"]}, "not one of the available choices"),
        ({"accept": ""}, "A token is made only with the disclaimer."),
        ({"name": ""}, "This field is required."),
        ({"site": "00000000-0000-0000-0000-000000000000"}, "not one of the available choices"),
    ],
)
def test_a_token_that_asks_for_too_much_is_not_made(people, changes, said):
    answer = signed_in(people.colleague).post("/tokens/", filled(people, **changes))

    assert answer.status_code == 200
    assert said in answer.content.decode()
    assert not ApiToken.objects.exists()
    assert people.events() == []


def test_nobody_makes_a_token_for_a_site_of_others(people):
    answer = signed_in(people.stranger).post("/tokens/", filled(people))

    assert "made" in answer.context
    assert answer.context["made"] is None
    assert not ApiToken.objects.exists()
    with pytest.raises(NotAllowed):
        make_token(user=people.stranger, site=people.site, name="a", scopes=[Scope.READ], days=1)


def test_a_scope_of_a_role_at_one_site_does_not_reach_another(people):
    Membership.objects.create(user=people.stranger, site=people.site, role=Role.REVIEWER)

    answer = signed_in(people.stranger).post("/tokens/", filled(people, scopes=["upload"]))

    assert "Your role at this site does not hold: Upload files and read receipts." in answer.content.decode()
    assert not ApiToken.objects.exists()


@pytest.mark.parametrize("role", list(Role))
def test_every_role_can_make_a_token_with_all_that_it_holds_and_no_more(people, role):
    user = UserFactory(role_at=(people.site, role))

    token = make_token(user=user, site=people.site, name="all", scopes=SCOPES_OF[role], days=1).token
    for beyond in set(Scope) - set(SCOPES_OF[role]):
        with pytest.raises(NotAllowed):
            make_token(user=user, site=people.site, name="beyond", scopes=[beyond], days=1)

    assert ApiToken.objects.get() == token


def test_nobody_sees_or_revokes_a_token_of_somebody_else(people):
    token = make_token(user=people.colleague, site=people.site, name="the-name", scopes=[Scope.READ], days=1).token

    page = signed_in(people.admin).get("/tokens/").content.decode()
    refused = signed_in(people.admin).post(reverse("token_revoke", args=[token.digest]))

    assert "the-name" not in page
    assert refused.status_code == 404
    assert ApiToken.objects.filter(pk=token.pk).exists()


def test_a_token_does_not_sign_in_to_pages(people):
    made = make_token(user=people.admin, site=people.site, name="a", scopes=[Scope.READ], days=1)

    answer = Client().get("/tokens/", headers={"Authorization": f"Token {made.secret}"})

    assert answer["Location"] == "/sign-in/?next=/tokens/"


def test_a_form_that_was_tampered_with_is_told_and_not_obeyed(people):
    with pytest.raises(ValueError, match="needs a scope and a life of 1 to 365 days"):
        make_token(user=people.admin, site=people.site, name="a", scopes=[], days=1)
    with pytest.raises(ValueError, match="needs a scope and a life of 1 to 365 days"):
        make_token(user=people.admin, site=people.site, name="a", scopes=[Scope.READ], days=366)

    assert not ApiToken.objects.exists()
