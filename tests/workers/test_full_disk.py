"""A full disk is no fault of the rows that a worker holds: they go back uncounted, and are done once there is room."""

import errno
import os
import time
from datetime import timedelta

import pytest
from django.conf import settings
from django.db import OperationalError
from django.utils import timezone

from screening import leasing
from screening.audit.models import AuditEvent
from screening.flows.integrity import find_violations
from screening.flows.reclaim import reclaim_expired
from screening.results.models import Screening, ScreeningState
from screening.retrying import database_is_full
from screening.uploads.models import Item, ItemState
from screening.uploads.storage import PREPARING
from tests.factories import ScreeningFactory
from tests.full_disk import database_without_room
from tests.workers.processes import until
from tests.workers.test_ingest import ingest_all, radiographs
from workers import inference, ingest, keeper, upkeep
from workers.crew import Stop

pytestmark = pytest.mark.django_db(transaction=True)
MANY = 40


@pytest.fixture(autouse=True)
def nothing_refused_before(monkeypatch):
    monkeypatch.setattr(leasing, "_refused", None)


@pytest.fixture
def full(monkeypatch):
    """Take the room away from the database the first time that a step is reached."""

    def at(module, name, *tables):
        real = getattr(module, name)

        def on_a_full_disk(*args, **kwargs):
            monkeypatch.setattr(module, name, real)
            with database_without_room(*tables):
                return real(*args, **kwargs)

        monkeypatch.setattr(module, name, on_a_full_disk)

    return at


def test_a_batch_whose_scores_find_no_room_is_given_back_uncounted(upload_of, noop, full):
    upload_of(radiographs(MANY))
    ingest_all()
    full(inference, "record_outcomes", Screening, AuditEvent)

    with pytest.raises(OperationalError) as told:
        inference.screen_batch(noop.pk, Stop())

    assert database_is_full(told.value)
    free = [("waiting", 0, False, 0)] * MANY
    rows = Screening.objects.values_list("state", "attempts", "alone", "deaths")
    until(lambda: list(rows.all()) == free, 20, "not given back")
    while inference.screen_batch(noop.pk, Stop()):
        pass
    assert set(rows.all()) == {("scored", 1, False, 0)}
    assert list(find_violations()) == []


def test_files_whose_pictures_find_no_room_in_the_database_are_given_back_uncounted(upload_of, noop, full):
    upload = upload_of(radiographs(MANY))
    full(ingest, "record_ingested", Item, AuditEvent)

    with pytest.raises(OperationalError) as told:
        ingest.ingest_chunk(Stop())

    assert database_is_full(told.value)
    rows = Item.objects.filter(upload=upload).values_list("state", "attempts", "deaths")
    until(lambda: set(rows.all()) == {("received", 0, 0)}, 20, "not given back")
    ingest_all()
    assert list(rows.all()) == [("accepted", 1, 0)] * MANY
    assert list(find_violations()) == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_files_that_find_no_room_for_what_is_kept_of_them_are_given_back_and_leave_nothing(
    upload_of, noop, monkeypatch, number
):
    preparing = settings.BLOB_ROOT / PREPARING
    preparing.mkdir(parents=True, exist_ok=True)
    before = set(preparing.iterdir())
    upload = upload_of(radiographs(2))

    def no_room(*_):
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as full:
        full.setattr(ingest, "keep_blob", no_room)
        with pytest.raises(OSError, match=os.strerror(number)):
            ingest.ingest_chunk(Stop())

    rows = Item.objects.filter(upload=upload).values_list("state", "attempts", "deaths")
    until(lambda: set(rows.all()) == {("received", 0, 0)}, 20, "not given back")
    assert set(preparing.iterdir()) == before
    ingest_all()
    assert set(rows.all()) == {("accepted", 1, 0)}


def test_what_else_the_system_says_of_a_file_still_counts(upload_of, noop, monkeypatch):
    upload_of(radiographs(1))

    def broken(*_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(ingest, "keep_blob", broken)
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        ingest.ingest_chunk(Stop())

    assert list(Item.objects.values_list("state", "computing")) == [(ItemState.DECODING, True)]


@pytest.fixture
def ran_out():
    """A screening whose lease ran out a second ago, alone, as that of a worker that died once with it."""
    end = timezone.now() - timedelta(seconds=1)
    held = {"lease_token": "5b0a7a52-6b0c-4c2e-9f3e-2f6f0f1a7c11", "lease_until": end, "computing": True, "attempts": 2}
    return ScreeningFactory(state=ScreeningState.LEASED, alone=True, deaths=1, **held)


def stand(row):
    row.refresh_from_db()
    return row.state, row.deaths, row.attempts


def test_a_lease_that_ran_out_while_the_disk_was_full_tells_of_no_death(ran_out):
    full = OperationalError("no room")
    full.__cause__ = OSError()
    full.__cause__.sqlite_errorcode = 13  # SQLITE_FULL

    def refused():
        raise full

    upkeep.look_after((("settled", refused),))

    assert reclaim_expired() == 1
    assert stand(ran_out) == ("waiting", 1, 1)


def test_a_row_whose_leases_end_with_the_database_again_and_again_is_found_out(ran_out, monkeypatch):
    far = timezone.now() + timedelta(days=1)  # the database is always back since after the lease was given
    monkeypatch.setattr(leasing, "back_since", lambda: far)
    held = {field: getattr(ran_out, field) for field in ("lease_token", "lease_until", "computing", "state")}

    for _ in range(leasing.EXCUSES):
        assert reclaim_expired() == 1
        assert stand(ran_out)[:2] == ("waiting", 1)
        Screening.objects.filter(pk=ran_out.pk).update(**held)

    assert reclaim_expired() == 1
    assert stand(ran_out)[:2] == ("quarantined", 2)


def test_one_that_ran_out_where_a_duty_failed_of_itself_tells_of_one(ran_out):
    def broken():
        raise RuntimeError("of this duty")

    upkeep.look_after((("settled", broken),))

    assert reclaim_expired() == 1
    assert stand(ran_out) == ("quarantined", 2, 2)


def test_a_lease_that_could_not_be_renewed_is_renewed_soon_after(monkeypatch):
    row = ScreeningFactory()
    lease, _ = leasing.claim(Screening.objects.filter(pk=row.pk), limit=1, seconds=3, state=ScreeningState.LEASED)
    tried = []

    def renew(*_):
        tried.append(time.monotonic())
        if len(tried) == 1:
            raise OperationalError("no room")

    monkeypatch.setattr(keeper, "renew", renew)
    monkeypatch.setattr(keeper, "RENEW_AGAIN_SECONDS", 0.05)
    with keeper.keeping(Screening, lease, [row.upload_id]):
        until(lambda: len(tried) == 2, 20, "not tried again")

    assert tried[1] - tried[0] < lease.seconds / 3
