import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import InterfaceError, OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from ml.vocabulary import DISCLAIMER
from screening.config import read_config
from screening.metrics import measuring, views
from screening.metrics.measuring import Kept, TooSlow
from screening.users.models import DisclaimerAcceptance
from tests.metrics.conftest import TOKEN, scrape
from tests.route_table import ROLES
from tests.route_world import make_world, token_of

pytestmark = pytest.mark.django_db


def client_of(world, role: str) -> Client:
    client = Client()
    if role != "anonymous":
        client.force_login(world.people[role])
    return client


def test_without_a_token_in_the_configuration_the_page_is_not_there_whoever_asks_and_with_what():
    nowhere = Client().get("/nowhere")

    answers = [Client().get("/metrics"), scrape(), scrape(token="")]

    assert [answer.status_code for answer in answers] == [404] * 3
    assert {answer.content for answer in answers} == {nowhere.content}


def test_no_role_opens_it_and_the_token_opens_it_beside_any_session(watched):
    world = make_world()

    without = {role: client_of(world, role).get("/metrics").status_code for role in ROLES}
    with_it = {role: scrape(client_of(world, role)).status_code for role in ROLES}

    assert without == dict.fromkeys(ROLES, 401)
    assert with_it == dict.fromkeys(ROLES, 200)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        f"Bearer {TOKEN[:-1]}",
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN.upper()}",
        f"Bearer {TOKEN} {TOKEN}",
        f"Token {TOKEN}",
        f"Basic {TOKEN}",
        TOKEN,
        "Bearer t\u00f6ken-of-the-metrics",
    ],
)
def test_anything_but_the_token_is_refused_in_the_one_shape_and_nothing_is_measured(watched, header):
    headers = {} if header is None else {"Authorization": header}

    with CaptureQueriesContext(connection) as queries:
        answer = Client().get("/metrics", headers=headers)

    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, "Bearer")
    assert answer.json() == {
        "code": "not_signed_in",
        "message": "The token of the metrics is missing or wrong.",
        "what_to_do": "Send `Authorization: Bearer ` with the value of METRICS_TOKEN.",
        "disclaimer": DISCLAIMER,
    }
    assert len(queries) == 0


def test_a_token_of_the_api_is_no_token_of_the_metrics(watched):
    secret = token_of(make_world(), "admin")

    assert scrape(token=secret).status_code == 401


def test_the_word_bearer_may_be_written_small(watched):
    assert Client().get("/metrics", headers={"Authorization": f"bearer {TOKEN}"}).status_code == 200


def test_an_answer_sets_no_cookie_is_kept_nowhere_and_carries_the_disclaimer(watched):
    answers = [scrape(), Client().get("/metrics")]

    assert [len(answer.cookies) for answer in answers] == [0, 0]
    assert all("no-store" in answer["Cache-Control"] for answer in answers)
    assert answers[0]["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answers[0].content.decode().startswith(f"# {DISCLAIMER}\n")


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_nothing_can_be_sent_to_it(watched, method):
    assert getattr(Client(), method)("/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 405


@pytest.mark.parametrize("lost", [OperationalError, InterfaceError])
def test_with_the_database_away_it_says_busy_and_nothing_of_the_cause_and_recovers(watched, monkeypatch, lost):
    def no_answer():
        raise lost("could not connect to server at 10.1.2.3")
        yield

    with monkeypatch.context() as patch:
        patch.setattr(views, "measure", no_answer)
        answer = scrape()

    assert (answer.status_code, answer["Retry-After"], len(answer.cookies)) == (503, "5", 0)
    assert "no-store" in answer["Cache-Control"]
    assert answer.json()["code"] == "busy"
    assert "10.1.2.3" not in answer.content.decode()
    assert "Traceback" not in answer.content.decode()
    assert scrape().status_code == 200


def test_without_the_acceptance_of_a_session_prometheus_is_not_sent_anywhere(watched):
    DisclaimerAcceptance.objects.all().delete()

    assert scrape().status_code == 200


def test_asking_again_within_seconds_asks_the_database_nothing(watched, monkeypatch):
    first = scrape()

    with CaptureQueriesContext(connection) as queries:
        again = scrape()
    seconds_later = time.monotonic() + measuring.KEPT_SECONDS
    monkeypatch.setattr(measuring.time, "monotonic", lambda: seconds_later)
    with CaptureQueriesContext(connection) as later:
        scrape()

    assert again.content == first.content
    assert len(queries) == 0
    assert len(later) > 5


def test_those_who_ask_at_once_wait_for_one_measuring():
    kept, made = Kept(), []

    def make() -> bytes:
        made.append(1)
        time.sleep(0.2)
        return b"figures"

    with ThreadPoolExecutor(8) as askers:
        answers = list(askers.map(lambda _: kept.get(make), range(8)))

    assert answers == [b"figures"] * 8
    assert made == [1]


def test_who_waits_too_long_for_the_measuring_of_another_is_told_so(monkeypatch):
    monkeypatch.setattr(measuring, "PATIENCE", 0.05)
    kept = Kept()

    with ThreadPoolExecutor(2) as askers:
        slow = askers.submit(kept.get, lambda: time.sleep(0.5) or b"late")
        time.sleep(0.1)
        with pytest.raises(TooSlow):
            kept.get(lambda: b"never made")

    assert slow.result() == b"late"


@pytest.mark.parametrize(
    "weak", ["short", "a token with spaces in it", "t\u00f6ken-of-the-metrics", "tab\tin-a-long-token"]
)
def test_a_token_that_no_header_can_carry_or_anybody_can_guess_stops_the_start_unsaid(weak):
    with pytest.raises(ImproperlyConfigured) as refused:
        read_config({"SECRET_KEY": "x", "METRICS_TOKEN": weak})

    assert "METRICS_TOKEN must be at least 16 printable ASCII characters, no spaces" in str(refused.value)
    assert weak not in str(refused.value)
    assert read_config({"SECRET_KEY": "x", "METRICS_TOKEN": TOKEN}).metrics_token == TOKEN
