"""The tour shows every page there is, and every picture that it names."""

import re

import pytest
from django.test import Client
from django.urls import reverse

from tests.e2e import tour
from tests.route_world import make_world
from tests.test_routes import lines

TEXT = (tour.DOCS / "tour.md").read_text()
NO_PAGES = ("api:", "dicomweb:")  # the API's own page is told of in docs/api.md


def addresses_of_pages() -> dict[str, str]:
    """By route: the address of every page, with `…` for what names one object."""
    world = make_world()
    found = {}
    for cell in lines(lambda route, line: line.method == "GET" and not route.name.startswith(NO_PAGES)):
        told = world.kwargs(cell.route.name, list(cell.route.arguments))
        address = reverse(cell.route.name, kwargs=told)
        client = Client(raise_request_exception=False)
        if cell.line.of_role("admin") == 200 and cell.line.of_role("anonymous") != 200:
            client.force_login(world.people["admin"])
        elif cell.line.of_role("reviewer") == 200:
            client.force_login(world.people["reviewer"])
        answer = client.get(address)
        body = b"".join(answer.streaming_content) if answer.streaming else answer.content
        if body.lstrip()[:15].lower() == b"<!doctype html>" and answer.status_code == 200:
            for value in told.values():
                address = address.replace(str(value), "…")
            found[cell.route.name] = address
    return found


@pytest.mark.django_db
def test_the_tour_leaves_out_no_page():
    pages = addresses_of_pages()

    assert len(pages) > 30
    assert {name: address for name, address in pages.items() if f"`{address}`" not in TEXT} == {}


def test_every_picture_of_the_tour_is_there_once_and_none_besides():
    named = tour.names()
    kept = sorted(file.stem for file in (tour.DOCS / "img/tour").glob("*"))

    assert sorted(named) == kept
    assert len(set(named)) == len(named) > 20


def test_every_picture_of_the_tour_is_taken_by_a_test():
    taken = "\n".join(file.read_text() for file in tour.DOCS.parent.glob("tests/e2e/test_*.py"))
    missing = []
    for name in tour.names():
        page = re.sub(r"-(dark|light)-\d+$", "", name)
        ends = [found.end() for found in re.finditer("-", page)]
        of_a_family = any(f'f"{page[:end]}{{' in taken and f'"{page[end:]}"' in taken for end in ends)
        if f'"{page}"' not in taken and not of_a_family:
            missing.append(name)

    assert missing == []
