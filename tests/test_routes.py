"""Every route x {anonymous, other site, staff, reviewer, integrator, admin}, from the URL map."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import pytest
from django.conf import settings
from django.db import connection, transaction
from django.http.response import ResponseHeaders
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.utils import timezone

from ml.vocabulary import DISCLAIMER
from screening.api.throttling import RATES
from screening.users.models import ApiToken, DisclaimerAcceptance, Role, Scope
from screening.users.roles import SCOPES_OF
from tests.route_table import PUBLIC, ROLES, SCOPES, TABLE, Expectation
from tests.route_world import PASSWORD, World, lay_preview, make_world, request_of, token_of

METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
ARMOUR = {
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",
}
OPEN_WITHOUT_ACCEPTANCE = {"disclaimer", "sign_out", "language", "healthz", "readyz"}


@dataclass(frozen=True)
class Route:
    name: str
    arguments: tuple[str, ...]


@dataclass(frozen=True)
class Cell:
    route: Route
    line: Expectation

    def __str__(self) -> str:
        return f"{self.line.method} {self.route.name}"


def routes() -> list[Route]:
    """Every route of the URL map by its full name."""
    return list(_walk(get_resolver(), "", ()))


def _walk(resolver: URLResolver, space: str, arguments: tuple[str, ...]) -> Iterator[Route]:
    for entry in resolver.url_patterns:
        more = (*arguments, *re.findall(r"<(?:\w+:)?(\w+)>", str(entry.pattern)))
        if isinstance(entry, URLResolver):
            yield from _walk(entry, f"{entry.namespace}:" if entry.namespace else space, more)
        else:
            assert isinstance(entry, URLPattern)
            assert entry.name, f"{entry.pattern} has no name"
            yield Route(f"{space}{entry.name}", more)


def is_api(route: Route) -> bool:
    return route.name.startswith(("api:", "dicomweb:"))


def is_public(route: Route) -> bool:
    return route.name in PUBLIC


def lines(wanted: Callable[[Route, Expectation], bool] = lambda _route, _line: True) -> list[Cell]:
    """The lines of the table that are wanted, with their routes."""
    return [Cell(route, line) for route in routes() for line in TABLE.get(route.name, ()) if wanted(route, line)]


@pytest.fixture
def world(db) -> World:
    """Make the world once for a whole matrix: `undone` brings it back after every cell."""
    made = make_world()
    for user in made.people.values():
        user.set_password(PASSWORD)
        user.save()
        client = Client()
        client.force_login(user)
        made.sessions[user.username] = client.cookies[settings.SESSION_COOKIE_NAME].value
    return made


@pytest.fixture(autouse=True)
def quick(settings):
    """Leave out what has no part in who may do what: a look at every static file for each client."""
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if "whitenoise" not in name]
    RATES.forget()


@contextmanager
def undone() -> Iterator[None]:
    """Take back what was written within, so that every cell of the matrix meets the same world."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def client_of(world: World, role: str, **options) -> Client:
    client = Client(raise_request_exception=False, **options)
    if role != "anonymous":
        client.cookies[settings.SESSION_COOKIE_NAME] = world.sessions[world.people[role].username]
    return client


@dataclass(frozen=True)
class Answered:
    status: int
    headers: ResponseHeaders
    body: bytes


def ask(world: World, client: Client, route: Route, method: str, **headers: str) -> Answered:
    """Send the valid request of a route and read the whole answer, as a client would."""
    address = reverse(route.name, kwargs=world.kwargs(route.name, list(route.arguments)))
    told = request_of(world, route.name, method)
    lay_preview(world.image)
    told["headers"] = {**told.get("headers", {}), **headers}
    answer = getattr(client, method.lower())(address, **told)
    body = b"".join(answer.streaming_content) if answer.streaming else answer.content
    return Answered(answer.status_code, answer.headers, body)


def test_every_route_and_no_other_is_in_the_table():
    names = [route.name for route in routes()]

    assert sorted(TABLE) == sorted(names)


def test_everybody_gets_what_the_table_says(world):
    wrong = []
    for cell in lines():
        for role in ROLES:
            with undone():
                got = ask(world, client_of(world, role), cell.route, cell.line.method).status
            if got != cell.line.of_role(role):
                wrong.append((str(cell), role, got, cell.line.of_role(role)))

    assert wrong == []


def test_a_method_that_is_not_in_the_table_is_not_taken(world):
    taken = []
    for route in routes():
        for method in METHODS - {line.method for line in TABLE[route.name]}:
            with undone():
                got = ask(world, client_of(world, "admin"), route, method).status
            if got != 405:
                taken.append((method, route.name, got))

    assert taken == []


def test_a_token_may_what_its_scope_says(world):
    wrong = []
    secrets = {scope: token_of(world, "admin", (Scope(scope),)) for scope in SCOPES}
    for cell in lines(lambda route, _line: is_api(route) and not is_public(route)):
        for scope, secret in secrets.items():
            got = with_token(world, cell, secret)
            if got != cell.line.of_scope(scope):
                wrong.append((str(cell), scope, got, cell.line.of_scope(scope)))

    assert wrong == []


def test_a_token_with_all_scopes_of_a_role_may_what_the_role_may_and_one_of_another_site_nothing(world):
    wrong = []
    for role in (role for role in ROLES if role != "anonymous"):
        secret = token_of(world, role)
        scopes = SCOPES_OF[Role(world.people[role].memberships.get().role)]
        for cell in lines(lambda route, _line: is_api(route) and not is_public(route)):
            in_scope = any(cell.line.of_scope(scope.value) < 400 for scope in scopes)
            expected = cell.line.of_role(role) if in_scope else 403
            got = with_token(world, cell, secret)
            if got != expected:
                wrong.append((str(cell), role, got, expected))

    assert wrong == []


@pytest.mark.parametrize(
    ("change", "status"),
    [({"expiry": timezone.now() - timedelta(seconds=1)}, 401), ({"disclaimer_version": "0"}, 403)],
    ids=["expired", "made under another disclaimer"],
)
def test_a_token_that_is_no_longer_good_opens_nothing(world, change, status):
    secret = token_of(world, "admin")
    ApiToken.objects.update(**change)

    got = {
        str(cell): with_token(world, cell, secret)
        for cell in lines(lambda route, _: is_api(route))
        if not is_public(cell.route)
    }

    assert {name: code for name, code in got.items() if code != status} == {}


def test_a_token_opens_no_page(world):
    secret = token_of(world, "admin")

    wrong = [
        (str(cell), got)
        for cell in lines(lambda route, _line: not is_api(route))
        if (got := with_token(world, cell, secret)) != cell.line.of_role("anonymous")
    ]

    assert wrong == []


def test_a_session_changes_nothing_without_the_token_of_a_form(world):
    wrong = []
    for cell in lines(lambda _route, line: line.method not in {"GET", "HEAD"}):
        client = client_of(world, "admin", enforce_csrf_checks=True)
        with CaptureQueriesContext(connection) as queries, undone():
            got = ask(world, client, cell.route, cell.line.method).status
        if got != 403 or writes(queries):
            wrong.append((str(cell), got, writes(queries)))

    assert wrong == []


def test_nobody_passes_without_the_disclaimer(world):
    DisclaimerAcceptance.objects.all().delete()
    wrong = []
    for cell in lines(lambda route, _line: not is_public(route)):
        with undone():
            answer = ask(world, client_of(world, "admin"), cell.route, cell.line.method)
        if cell.route.name in OPEN_WITHOUT_ACCEPTANCE:
            passed = answer.status != cell.line.of_role("admin")
        elif is_api(cell.route):
            passed = answer.status != 403
        else:
            passed = not answer.headers.get("Location", "").startswith(reverse("disclaimer"))
        if passed:
            wrong.append((str(cell), answer.status))

    assert wrong == []


def test_reading_writes_nothing(world):
    written = []
    for cell in lines(lambda _route, line: line.method in {"GET", "HEAD"}):
        for role in ROLES:
            client = client_of(world, role)
            connection.queries_log.clear()  # which holds a number of them, and there are more
            with CaptureQueriesContext(connection) as queries:
                ask(world, client, cell.route, cell.line.method)
            written += [(str(cell), role, sql) for sql in writes(queries)]

    assert written == []


def test_every_answer_is_armoured_and_carries_the_disclaimer(world):
    bare = []
    for cell in lines(lambda _route, line: line.method == "GET"):
        for role in ROLES:
            answer = ask(world, client_of(world, role), cell.route, "GET")
            missing = [name for name, value in ARMOUR.items() if value not in answer.headers.get(name, "")]
            if "unsafe" in answer.headers["Content-Security-Policy"].replace("'wasm-unsafe-eval'", ""):
                missing.append("a strict policy")
            if carries_words(cell.route, answer) and DISCLAIMER not in answer.body.decode():
                missing.append("the disclaimer")
            if missing:
                bare.append((str(cell), role, answer.status, missing))

    assert bare == []


def with_token(world: World, cell: Cell, secret: str) -> int:
    with undone():
        return ask(world, Client(), cell.route, cell.line.method, Authorization=f"Token {secret}").status


def writes(queries: CaptureQueriesContext) -> list[str]:
    changing = re.compile(r"\s*(INSERT|UPDATE|DELETE|REPLACE)\b", re.IGNORECASE)
    return [one["sql"] for one in queries if changing.match(one["sql"])]


def carries_words(route: Route, answer: Answered) -> bool:
    """Whether the answer is a page, a table or JSON of the service: not a picture, a part of a page or a probe."""
    if route.name in {"healthz", "readyz"} or answer.status in {302, 304}:
        return False
    kind = answer.headers["Content-Type"].split(";")[0]
    whole_page = kind == "text/html" and answer.body.lower().startswith(b"<!doctype")
    return whole_page or kind in {"application/json", "text/csv"}
