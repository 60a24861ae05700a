"""A part of a page, asked for by somebody who is signed out: the sign-in comes as a page, never into the part."""

from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest
from django.test import Client
from django.urls import reverse

from tests.people.conftest import signed_in

pytestmark = pytest.mark.django_db
PART = f"/uploads/{UUID(int=7)}/progress/"


def asked(client, address: str, page: str = "", method: str = "get"):
    headers = {"HX-Request": "true"} | ({"HX-Current-URL": page} if page else {})
    return getattr(client, method)(address, headers=headers)


def way_back(answer) -> tuple[int, str, list[str]]:
    address = urlsplit(answer["HX-Redirect"])
    return answer.status_code, address.path, parse_qs(address.query)["next"]


@pytest.mark.parametrize("method", ["get", "post"])
def test_who_is_signed_out_is_led_to_the_sign_in_and_from_there_back_to_the_page(method):
    answer = asked(Client(), reverse("desk:quick"), "http://testserver/quick/?from=list", method)

    assert way_back(answer) == (204, "/sign-in/", ["/quick/?from=list"])
    assert answer.content == b""
    assert "Location" not in answer


@pytest.mark.parametrize(
    ("page", "back"),
    [("https://elsewhere.example/uploads/", PART), ("", PART), ("http://testserver/uploads/", "/uploads/")],
)
def test_the_way_back_is_a_page_of_this_service(page, back):
    assert way_back(asked(Client(), PART, page)) == (204, "/sign-in/", [back])


def test_a_whole_page_is_redirected_as_ever():
    answer = Client().get(PART)

    assert (answer.status_code, answer["Location"]) == (302, f"/sign-in/?next={PART}")


def test_the_disclaimer_too_leads_back_to_the_page_and_not_to_its_part(people):
    people.colleague.acceptances.all().delete()

    answer = asked(signed_in(people.colleague), PART, "http://testserver/uploads/")

    assert way_back(answer) == (204, "/disclaimer/", ["/uploads/"])
