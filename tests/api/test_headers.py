"""What stands in the headers of answers, and fields that were asked for."""

import errno
import logging
import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from screening.api import throttling
from screening.api.rates import NEAR, SLOT, SLOTS, Rates
from screening.studies.changes import mark_changed
from screening.users.models import Scope
from tests.api.conftest import refusal
from tests.environment import ROOT
from tests.factories import ImageFactory, ScreeningFactory, StudyFactory, UploadFactory

URL = "/api/v1/studies/"


@pytest.fixture
def client(ward):
    return ward.by_token(ward.integrator, Scope.READ)


@pytest.fixture
def made(ward):
    study = StudyFactory(upload=UploadFactory(site=ward.site, sealed=True), ready=True)
    ScreeningFactory(image=ImageFactory(study=study), model_version=ward.version, scored=True)
    mark_changed([(study.site_id, study.pk)])
    return study


@pytest.fixture
def few(monkeypatch):
    """Three requests and one look-up, in a minute that does not end while they are made."""
    now = time.time()
    monkeypatch.setattr(throttling, "time", SimpleNamespace(time=lambda: now))
    monkeypatch.setattr(throttling, "limit_of", {"user": 3, "lookup": 1}.get)


@pytest.mark.parametrize("address", ["studies/", "models/", "studies/1/", "nowhere/", "schema/", "docs/"])
def test_every_answer_names_its_request(ward, client, address):
    for one in (client, APIClient()):
        name = one.get(f"/api/v1/{address}")["X-Request-ID"]
        assert str(UUID(name)) == name


def test_a_request_keeps_the_uuid_that_it_brought_and_no_other_word(client, made):
    brought = str(uuid4())

    assert client.get(URL, headers={"X-Request-ID": brought})["X-Request-ID"] == brought
    for other in ("1.2.840.113619.2.55", "Doe^Jane", "x" * 500):
        assert client.get(URL, headers={"X-Request-ID": other})["X-Request-ID"] not in {brought, other}


def test_a_name_that_is_no_uuid_reaches_no_log(client, caplog):
    caplog.set_level(logging.INFO)

    client.get("/api/v1/nowhere/", headers={"X-Request-ID": "Doe^Jane"})

    assert "Doe" not in caplog.text


def test_every_answer_says_how_many_requests_are_left_and_the_next_is_refused_in_our_words(client, made, few):
    etag = client.get(URL)["ETag"]
    second = client.get(URL, headers={"If-None-Match": etag})
    third = client.get(f"{URL}{uuid4()}/")
    refused = client.get(URL)

    assert [one["RateLimit-Remaining"] for one in (second, third, refused)] == ["1", "0", "0"]
    assert (second.status_code, third.status_code) == (304, 404)
    assert refused["RateLimit-Limit"] == "3"
    assert refusal(refused) == (429, "too_many_requests")
    assert 0 < int(refused["Retry-After"]) <= 60
    assert 0 < int(refused["RateLimit-Reset"]) <= 60


def test_each_token_has_its_own_count(ward, client, few):
    [client.get(URL) for _ in range(4)]

    assert client.get(URL).status_code == 429
    assert ward.by_token(ward.integrator, Scope.READ).get(URL).status_code == 200
    assert ward.by_session(ward.integrator).get(URL).status_code == 200


def test_look_ups_are_counted_by_themselves(client, few):
    first, second = (client.post(f"{URL}lookup/", {"uids": ["1.2.3"]}) for _ in range(2))

    assert (first.status_code, refusal(second)) == (200, (429, "too_many_requests"))
    assert client.get(URL).status_code == 200


COUNTING = """
import sys
import time
from types import SimpleNamespace
from pathlib import Path
from screening.api.rates import Rates
rates = Rates(Path(sys.argv[1]))
for _ in range(3000):
    rates.count("one token", 7)
"""


def test_processes_count_together(tmp_path):
    path = tmp_path / "rates"
    started = [subprocess.Popen([sys.executable, "-c", COUNTING, str(path)], cwd=ROOT) for _ in range(3)]

    assert [process.wait(60) for process in started] == [0, 0, 0]
    assert Rates(path).count("one token", 7) == 9001


def test_a_new_minute_begins_at_one_and_nobody_counts_for_another(tmp_path):
    rates = Rates(tmp_path / "rates")

    assert [rates.count("a", 1), rates.count("a", 1), rates.count("b", 1), rates.count("a", 2)] == [1, 2, 1, 1]
    assert [rates.count(f"caller {number}", 3) for number in range(2000)] == [1] * 2000
    assert [rates.count(f"caller {number}", 3) for number in range(2000)] == [2] * 2000
    assert (tmp_path / "rates").stat().st_size % SLOT.size == 0
    assert NEAR > 1


def test_the_counts_have_their_room_on_the_disk_before_anybody_counts(tmp_path):
    with (tmp_path / "rates").open("wb") as sparse:
        sparse.truncate(SLOT.size * SLOTS)

    Rates(tmp_path / "rates").count("a", 1)

    assert (tmp_path / "rates").stat().st_blocks * 512 >= SLOT.size * SLOTS


def test_on_a_full_disk_requests_are_answered_uncounted_and_counted_once_there_is_room(tmp_path, monkeypatch):
    rates = Rates(tmp_path / "rates")
    with monkeypatch.context() as full:

        def no_room(*_):
            raise OSError(errno.ENOSPC, "no room")

        full.setattr(os, "posix_fallocate", no_room)
        held = len(list(Path("/proc/self/fd").iterdir()))
        assert [rates.count("a", 1) for _ in range(3)] == [0, 0, 0]
        assert len(list(Path("/proc/self/fd").iterdir())) == held

    assert [rates.count("a", 1) for _ in range(3)] == [1, 2, 3]


def test_only_the_fields_that_were_asked_for_come_and_nothing_else_is_read(client, made):
    with CaptureQueriesContext(connection) as whole:
        client.get(URL)
    with CaptureQueriesContext(connection) as part:
        body = client.get(URL, {"fields": "flag,external_id"}).json()

    assert body["results"] == [{"id": str(made.pk), "external_id": None, "flag": "not flagged", "change_number": 1}]
    assert {"disclaimer", "site", "cursor", "more"} <= set(body)
    assert len(part) < len(whole) - 3


def test_one_study_comes_in_the_fields_that_were_asked_for(client, made):
    whole = client.get(f"{URL}{made.pk}/").json()
    part = client.get(f"{URL}{made.pk}/", {"fields": "images"})

    assert part.json() == {name: whole[name] for name in ("id", "change_number", "images", "disclaimer")}
    assert client.get(f"{URL}{made.pk}/", headers={"If-None-Match": part["ETag"]}).status_code == 200


@pytest.mark.parametrize("fields", ["nothing", "flag,,", "flag;images", "reference_label", "x" * 401])
def test_a_field_that_no_study_has_is_refused(client, made, fields):
    assert refusal(client.get(URL, {"fields": fields})) == (400, "invalid")
    assert refusal(client.get(f"{URL}{made.pk}/", {"fields": fields})) == (400, "invalid")
