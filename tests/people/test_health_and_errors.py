import json
import logging
from io import StringIO

import pytest
from django.db import OperationalError, connection
from django.test import Client
from django.urls import path

from ml.vocabulary import DISCLAIMER
from screening.audit.triggers import install_triggers, lift_triggers
from screening.errors import LastAdministrator
from screening.logs import without_secrets
from screening.people import entrance, health
from screening.urls import handler400, handler403, handler404, handler500
from screening.urls import urlpatterns as routes
from tests.people.conftest import signed_in

__all__ = ["handler400", "handler403", "handler404", "handler500"]


def refuse(_request):
    raise LastAdministrator("This is the last administrator of the site.")


def break_down(_request):
    raise RuntimeError("the patient Erika Mustermann")


def lose_the_database(_request):
    raise OperationalError("database is locked")


urlpatterns = [
    *routes,
    path("refuse/", refuse),
    path("break/", break_down),
    path("lose/", lose_the_database),
    path("api/v1/lose/", lose_the_database),
]


@pytest.fixture
def visitor(settings):
    settings.ROOT_URLCONF = __name__
    return Client(raise_request_exception=False)


def test_the_process_says_that_it_lives_without_asking_the_database():
    answer = Client().get("/healthz")

    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


@pytest.mark.django_db
def test_the_service_is_ready_when_migrated_and_the_audit_is_guarded():
    answer = Client().get("/readyz")

    assert (answer.status_code, answer.json()) == (200, {"status": "ready"})


@pytest.mark.django_db(transaction=True)
def test_without_the_triggers_of_the_audit_the_service_is_not_ready_and_says_no_more():
    lift_triggers(connection)
    try:
        answer = Client().get("/readyz")
    finally:
        install_triggers(connection)

    assert (answer.status_code, answer.json()) == (503, {"status": "not ready"})


@pytest.mark.django_db
def test_with_a_migration_outstanding_the_service_is_not_ready():
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'audit'")

    assert Client().get("/readyz").status_code == 503


def test_without_a_database_the_service_is_not_ready(monkeypatch):
    def no_answer(_connection):
        raise OperationalError("could not connect to server at 10.1.2.3")

    monkeypatch.setattr(health, "MigrationExecutor", no_answer)

    answer = Client().get("/readyz")

    assert (answer.status_code, answer.json()) == (503, {"status": "not ready"})


@pytest.mark.django_db
def test_a_page_that_is_not_there_is_told_alike_to_everybody(people):
    answers = [Client().get("/nowhere/"), signed_in(people.admin).get("/nowhere/")]

    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].content == answers[1].content
    assert DISCLAIMER in answers[0].content.decode()


def test_a_route_of_the_api_that_is_not_there_is_told_in_json():
    answer = Client().get("/api/v1/nowhere/")

    assert answer.status_code == 404
    assert answer.json() == {
        "code": "not_found",
        "message": "There is nothing here that you may see.",
        "what_to_do": "Check the address, or start from the first page.",
        "disclaimer": DISCLAIMER,
    }


def test_a_refusal_becomes_a_page_that_says_what_to_do(visitor):
    answer = visitor.get("/refuse/")

    text = answer.content.decode()
    assert answer.status_code == 409
    assert "This is the last administrator of the site." in text
    assert "Make somebody else an administrator first." in text
    assert "last_administrator" in text


def test_a_refusal_of_a_part_of_a_page_is_a_notice_alone(visitor):
    answer = visitor.get("/refuse/", headers={"HX-Request": "true"})

    assert answer.status_code == 409
    assert answer.content.decode().lstrip().startswith('<div class="notice notice-error" role="alert">')


def test_a_bug_shows_neither_its_words_nor_a_traceback(visitor):
    answer = visitor.get("/break/")

    text = answer.content.decode()
    assert answer.status_code == 500
    assert "Something went wrong on our side." in text
    assert "Mustermann" not in text
    assert "Traceback" not in text
    assert DISCLAIMER in text


@pytest.mark.parametrize("url", ["/lose/", "/api/v1/lose/"])
def test_a_database_that_is_away_is_told_as_busy_with_a_time_to_come_back(visitor, url):
    answer = visitor.get(url)

    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert "Nothing was changed. Try again in a few seconds." in answer.content.decode()


def test_the_chosen_theme_is_drawn_at_once_and_nothing_else_can_be_chosen(visitor):
    def theme(value: str) -> str:
        client = Client(raise_request_exception=False)
        client.cookies["theme"] = value
        return client.get("/sign-in/").content.decode().split('data-bs-theme="')[1].split('"')[0]

    assert [theme("light"), theme("dark"), theme('"><script>')] == ["light", "dark", "dark"]


@pytest.fixture
def logged(settings):
    """What the service would write to its log."""
    described = dict(settings.LOGGING["formatters"]["json"])
    handler = logging.StreamHandler(stream := StringIO())
    handler.setFormatter(described.pop("()")(**described))
    logging.getLogger().addHandler(handler)
    yield stream
    logging.getLogger().removeHandler(handler)


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["enter", "invitation"])
def test_no_log_line_holds_the_secret_of_a_link_even_when_its_page_breaks(monkeypatch, logged, name):
    address = f"/{name}/a-Secret_of_a_link/"

    def broken(*_args):
        raise RuntimeError(f"at {address} and elsewhere")

    monkeypatch.setattr(entrance, "find_link", broken)

    answer = Client(raise_request_exception=False).get(address)

    lines = [json.loads(line) for line in logged.getvalue().splitlines()]
    assert answer.status_code == 500
    assert f"Internal Server Error: /{name}/.../" in [line["event"] for line in lines]
    assert "RuntimeError" in logged.getvalue()
    assert "Secret_of_a_link" not in logged.getvalue()


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("GET /sign-in/?next=/invitation/aB-9_x/", "GET /sign-in/?next=/invitation/.../"),
        ("GET /disclaimer/?next=%2Fenter%2FaB-9_x%2F", "GET /disclaimer/?next=%2Fenter%2F...%2F"),
        ("GET /notifications/confirm/aB-9_x:1w:c-_3/", "GET /notifications/confirm/.../"),
        (
            "GET /sign-in/?next=/notifications/confirm/aB-9_x%3A1w%3Ac-_3/",
            "GET /sign-in/?next=/notifications/confirm/.../",
        ),
        ("GET /?next=%2Fnotifications%2Fconfirm%2FaB%3A1w%3Ac%2F", "GET /?next=%2Fnotifications%2Fconfirm%2F...%2F"),
        ("GET /notifications/none/", "GET /notifications/none/"),
        ("GET /sites/aB-9_x/", "GET /sites/aB-9_x/"),
    ],
)
def test_a_secret_is_struck_where_it_is_the_address_to_go_on_to(line, kept):
    assert without_secrets(None, "info", {"request": line, "code": 200}) == {"request": kept, "code": 200}
