import runpy
import threading
import time

import pytest
from django.db import connection, connections
from rest_framework.test import APIClient

from screening.api import waiting
from screening.api.views import studies as views
from screening.api.waiting import Waited, Watch
from screening.studies.changes import mark_changed
from screening.users.models import ApiToken, Scope
from tests.api.conftest import refusal
from tests.environment import ROOT
from tests.factories import StudyFactory, UploadFactory

URL = "/api/v1/studies/"
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def client(ward):
    return ward.by_token(ward.integrator, Scope.READ)


@pytest.fixture
def upload(ward):
    return UploadFactory(site=ward.site, sealed=True)


def study(upload):
    made = StudyFactory(upload=upload, ready=True)
    mark_changed([(made.site_id, made.pk)])
    return made


def soon(act, seconds: float = 0.3) -> threading.Thread:
    """Do something in another thread while this one waits."""

    def later() -> None:
        time.sleep(seconds)
        try:
            act()
        finally:
            connections.close_all()

    thread = threading.Thread(target=later)
    thread.start()
    return thread


def timed(client: APIClient, query, **headers):
    started = time.monotonic()
    answer = client.get(URL, query, headers=headers)
    return answer, time.monotonic() - started


def test_an_empty_answer_waits_until_a_study_changes(client, upload):
    cursor = client.get(URL).json()["cursor"]
    other = soon(lambda: study(upload))

    answer, took = timed(client, {"cursor": cursor, "wait": 20})
    other.join()

    assert len(answer.json()["results"]) == 1
    assert 0.2 < took < 10


def test_an_unchanged_answer_waits_too_and_comes_as_304_when_the_time_is_over(client, upload):
    study(upload)
    etag = client.get(URL)["ETag"]

    answer, took = timed(client, {"wait": 1}, **{"If-None-Match": etag})
    assert (answer.status_code, answer["ETag"]) == (304, etag)
    assert took >= 1

    other = soon(lambda: study(upload))
    answer, took = timed(client, {"wait": 20}, **{"If-None-Match": etag})
    other.join()
    assert (answer.status_code, len(answer.json()["results"])) == (200, 2)
    assert took < 10


def test_what_is_there_already_is_answered_at_once(client, upload):
    study(upload)

    answer, took = timed(client, {"wait": 20})

    assert len(answer.json()["results"]) == 1
    assert took < 5


def test_a_change_that_does_not_fit_what_was_asked_for_wakes_nobody(client, upload):
    other = soon(lambda: study(upload), 0.1)

    answer, took = timed(client, {"flagged": "true", "wait": 2})
    other.join()

    assert answer.json()["results"] == []
    assert took >= 2


def test_who_waits_holds_no_connection(client, upload):
    held = []

    def look() -> None:
        held.extend(one.connection for one in [main])

    main = connection._connections[connection._alias] if hasattr(connection, "_connections") else connection
    other = soon(look, 0.5)
    client.get(URL, {"wait": 1})
    other.join()

    assert held == [None]


def test_only_half_of_the_threads_of_a_web_process_may_wait():
    settings = runpy.run_path(str(ROOT / "workers" / "supervisor" / "gunicorn_conf.py"))

    assert settings["threads"] == waiting.THREADS
    assert settings["threads"] // 2 == waiting.MOST


def test_who_finds_no_place_is_answered_at_once_and_told_when_to_ask_again(client, upload, monkeypatch):
    monkeypatch.setattr(views, "WATCH", Watch(most=0))

    answer, took = timed(client, {"wait": 20})

    assert (answer.status_code, answer.json()["results"]) == (200, [])
    assert int(answer["Retry-After"]) == waiting.AGAIN
    assert took < 5


def test_places_come_back_and_the_look_ends_with_the_last_who_waits(ward):
    watch = Watch(most=2, every=0.05)
    found = []
    waiters = [soon(lambda: found.append(watch.wait(ward.site.pk, beyond=0, seconds=0.5)), 0) for _ in range(2)]
    time.sleep(0.2)

    assert watch.wait(ward.site.pk, beyond=0, seconds=5) == Waited.FULL
    [waiter.join() for waiter in waiters]

    assert found == [Waited.UNCHANGED] * 2
    assert watch.wait(ward.site.pk, beyond=0, seconds=0.1) == Waited.UNCHANGED
    time.sleep(0.3)
    assert (watch.waiting, "site-changes" in {thread.name for thread in threading.enumerate()}) == (0, False)


def test_a_token_that_is_revoked_meanwhile_learns_nothing(client, upload):
    def act() -> None:
        ApiToken.objects.all().delete()
        study(upload)

    other = soon(act)
    answer, _ = timed(client, {"wait": 20})
    other.join()

    assert refusal(answer) == (404, "not_found")


@pytest.mark.parametrize("seconds", [-1, 31, "long"])
def test_a_wait_of_another_length_is_refused(client, seconds):
    assert refusal(client.get(URL, {"wait": seconds})) == (400, "invalid")
