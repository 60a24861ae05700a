"""Every page of the URL map, in both themes and on a tablet: nothing for axe-core, nothing wider than the window."""

import pytest
from django.test import Client
from django.urls import reverse

from ml.images.preview import make_preview
from screening.flows.explained import files_of
from screening.results.models import Explanation
from screening.studies.models import Image
from screening.uploads.storage import blob_folder
from tests.e2e.conftest import faults_seen
from tests.phantoms import radiograph
from tests.route_world import World, make_world
from tests.test_routes import lines

pytestmark = pytest.mark.django_db(transaction=True)

ROLES = ("admin", "reviewer", "anonymous")  # staff see no page that no administrator sees
NO_PAGES = ("api:", "dicomweb:")  # the API's own page is a library's; tests/e2e/test_api_docs.py looks whether it works


@pytest.fixture
def world() -> World:
    made = make_world()
    picture = make_preview(radiograph(320, 300, seed=3))
    for image in Image.objects.all():
        folder = blob_folder(image.site_id, image.sha256)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "0.jpg").write_bytes(picture)
    for file in files_of(Explanation.objects.select_related("screening__image").get(screening__image=made.image)):
        file.write_bytes(picture)
    return made


def pages_of(world: World, role: str) -> dict[str, str]:
    """By route: the address of every page that this role is shown and none before it."""
    client = Client(raise_request_exception=False)
    if role != "anonymous":
        client.force_login(world.people[role])
    found = {}
    for cell in lines(lambda route, line: line.method == "GET" and not route.name.startswith(NO_PAGES)):
        shown = [one for one in ROLES if cell.line.of_role(one) == 200]
        if shown[:1] != [role]:
            continue
        address = reverse(cell.route.name, kwargs=world.kwargs(cell.route.name, list(cell.route.arguments)))
        answer = client.get(address)
        body = b"".join(answer.streaming_content) if answer.streaming else answer.content
        if body.lstrip()[:15].lower() == b"<!doctype html>":
            found[cell.route.name] = address
    return found


@pytest.mark.parametrize(("role", "at_least"), [("admin", 30), ("reviewer", 3), ("anonymous", 1)])
def test_every_page_is_clean_in_both_themes_and_on_a_tablet(enter, world, role, at_least):
    pages = pages_of(world, role)
    assert len(pages) >= at_least, sorted(pages)
    page = enter(world.people.get(role), "/sign-in/" if role == "anonymous" else "/disclaimer/")

    found = {}
    for name, address in pages.items():
        page.goto(address)
        if faults := faults_seen(page, f"every-{name.replace(':', '-')}"):
            found[name] = faults

    assert found == {}
