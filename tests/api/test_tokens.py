from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from ml.vocabulary import DISCLAIMER_VERSION
from screening.users.models import ApiToken
from tests.api.conftest import refusal

URL = "/api/v1/models/"


def made(ward, **changes):
    values = {"name": "a", "site": ward.site, "scopes": ["read"], "disclaimer_version": DISCLAIMER_VERSION}
    return ApiToken.objects.create(user=ward.staff, expiry=timedelta(days=1), **(values | changes))


def called(token: str):
    return APIClient().get(URL, headers={"Authorization": f"Token {token}"})


def test_a_token_opens_the_api_and_is_stored_as_a_hash_only(ward):
    row, token = made(ward)

    assert called(token).status_code == 200
    assert token not in {row.digest, row.token_key}


def test_an_expired_token_opens_nothing_and_asking_writes_nothing(ward):
    row, token = made(ward)
    ApiToken.objects.update(expiry=timezone.now() - timedelta(seconds=1))

    with CaptureQueriesContext(connection) as context:
        answer = called(token)

    assert refusal(answer) == (401, "not_signed_in")
    assert ApiToken.objects.filter(pk=row.pk).exists()
    assert not [query for query in context if query["sql"].startswith(("DELETE", "UPDATE"))]


def test_a_token_without_an_end_opens_nothing(ward):
    _, token = made(ward)
    ApiToken.objects.update(expiry=None)

    assert refusal(called(token)) == (401, "not_signed_in")


def test_a_revoked_token_opens_nothing(ward):
    row, token = made(ward)
    row.delete()

    assert refusal(called(token)) == (401, "not_signed_in")


def test_the_token_of_somebody_who_left_opens_nothing(ward):
    _, token = made(ward)
    ward.staff.is_active = False
    ward.staff.save()

    assert refusal(called(token)) == (401, "not_signed_in")


def test_the_token_of_a_former_member_finds_nothing_of_the_site(ward):
    _, token = made(ward)
    ward.staff.memberships.all().delete()

    answer = APIClient().get("/api/v1/studies/", headers={"Authorization": f"Token {token}"})

    assert refusal(answer) == (404, "not_found")


@pytest.mark.parametrize("guess", ["x", "é", "x" * 64, "\x7f" * 20, "a b"])
def test_a_guess_is_told_apart_from_an_expired_token_by_nothing(ward, guess):
    assert refusal(called(guess.encode("utf-8").decode("latin-1"))) == (401, "not_signed_in")


def test_a_token_that_agrees_in_its_first_characters_only_opens_nothing(ward):
    _, token = made(ward)

    assert refusal(called(token[:-1] + ("0" if token[-1] != "0" else "1"))) == (401, "not_signed_in")


def test_a_token_of_an_earlier_disclaimer_says_what_to_do(ward):
    _, token = made(ward, disclaimer_version="0")

    answer = called(token)

    assert refusal(answer) == (403, "disclaimer_changed")
    assert "new token" in answer.json()["what_to_do"]


def test_a_token_in_the_address_opens_nothing(ward):
    _, token = made(ward)

    assert refusal(APIClient().get(URL, {"token": token})) == (401, "not_signed_in")
