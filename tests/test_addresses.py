"""Under which address answers name what can be had."""

from dataclasses import replace
from uuid import uuid4

import pytest
from django.test import RequestFactory
from django.urls import reverse

from screening.addresses import addresses, whole_address

ASKED = {"testserver": "http://testserver/x", "127.0.0.1": None, "[::1]": None, "localhost": None}


@pytest.mark.parametrize("host", ASKED)
@pytest.mark.parametrize("public", ["https://screening.example.org", "https://screening.example.org/chest"])
def test_the_address_that_an_operator_named_is_told_whatever_host_was_asked(settings, host, public):
    settings.CONFIG = replace(settings.CONFIG, public_url=public)

    assert whole_address(RequestFactory(HTTP_HOST=host).get("/"), "/x") == f"{public}/x"


@pytest.mark.parametrize("host", ASKED)
def test_where_none_was_named_the_host_is_told_and_on_this_machine_the_port_too(settings, host):
    settings.CONFIG = replace(settings.CONFIG, public_url="http://localhost:8765")

    told = whole_address(RequestFactory(HTTP_HOST=host).get("/"), "/x")

    assert told == (ASKED[host] or "http://localhost:8765/x")


def test_the_addresses_of_many_are_those_that_the_route_gives_to_each():
    keys = [uuid4() for _ in range(3)]

    made = addresses("review:study")

    assert [made(key) for key in keys] == [reverse("review:study", args=[key]) for key in keys]
