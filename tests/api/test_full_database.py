"""The disk of the database is full: who writes is told so and when to come back, and nothing is half done."""

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import reverse

from screening.flows.integrity import find_violations
from screening.uploads.models import Item, ItemState, Upload
from tests.api.conftest import offer, open_upload, refusal, send
from tests.full_disk import database_without_room
from tests.stores import incoming

pytestmark = pytest.mark.django_db(transaction=True)
PASSWORD = "correct horse battery"
MANY = 1000  # rows that no page with some room left takes
FULL = (503, "database_full")


def pictures(count):
    return {f"ward/{number}.png": b"picture %d" % number for number in range(count)}


def test_files_that_cannot_be_noted_are_refused_whole_and_taken_once_there_is_room(ward, stores):
    client, files = ward.by_token(ward.integrator), pictures(50)
    url = open_upload(client)
    offer(client, url, files)

    with database_without_room(Item):
        answer = send(client, url, files)
        assert refusal(answer) == FULL
        assert answer["Retry-After"] == "30"
        assert client.get(url).status_code == 200
    assert incoming(stores) == []
    assert set(Item.objects.values_list("state", "incoming")) == {(ItemState.EXPECTED, "")}

    assert {one["state"] for one in send(client, url, files).json()["files"]} == {"received"}
    assert len(incoming(stores)) == 50
    assert list(find_violations()) == []


def test_an_offer_is_noted_whole_or_not_at_all(ward):
    client, files = ward.by_token(ward.integrator), pictures(MANY)
    url = open_upload(client)

    with database_without_room(Item, Upload):
        answer = offer(client, url, files)
        assert (refusal(answer), answer["Retry-After"]) == (FULL, "30")
    assert not Item.objects.exists()

    assert offer(client, url, files).status_code == 200
    assert Item.objects.count() == MANY


def test_a_page_that_writes_says_what_is_wrong_and_one_that_reads_is_shown(ward):
    signed_in = ward.by_session(ward.admin)
    pages = Client(raise_request_exception=False)
    ward.staff.set_password(PASSWORD)
    ward.staff.save()
    told = {"username": ward.staff.username, "password": PASSWORD}

    with database_without_room(Session):
        for _ in range(MANY):  # the first may still find room in a page that is not full
            answer = pages.post(reverse("sign_in"), told)
            if answer.status_code != 302:
                break
            pages.cookies.clear()
        assert signed_in.get(reverse("home"), follow=True).status_code == 200

    assert (answer.status_code, answer["Retry-After"]) == (503, "30")
    assert "The disk of the database has no room left." in answer.content.decode()
    assert pages.post(reverse("sign_in"), told).status_code == 302
