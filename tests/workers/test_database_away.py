"""A database that does not answer is no death of a worker: nothing is counted against the rows that it held."""

import sqlite3
from datetime import timedelta

import pytest
from django.db import DataError, InterfaceError, OperationalError, connection
from django.utils import timezone

from screening import leasing
from screening.flows.reclaim import reclaim_expired
from screening.results.models import Screening, ScreeningState
from screening.retrying import database_is_away
from screening.uploads.models import Item, ItemState
from tests.factories import ItemFactory, ScreeningFactory
from tests.workers.processes import until
from tests.workers.test_inference import waiting  # noqa: F401 - a fixture
from workers import inference, keeper
from workers.crew import Stop

pytestmark = pytest.mark.django_db(transaction=True)


def failing(error):
    def record_outcomes(**_):
        raise error

    return record_outcomes


def tries():
    return list(Screening.objects.order_by("pk").values_list("state", "attempts", "alone", "deaths"))


@pytest.mark.parametrize("error", [OperationalError("the server closed the connection"), InterfaceError("closed")])
def test_a_batch_that_could_not_be_written_is_given_back_as_if_it_had_never_been_taken(
    waiting,  # noqa: F811 - the fixture
    noop,
    monkeypatch,
    error,
):
    waiting(3)
    with monkeypatch.context() as patched:
        patched.setattr(inference, "record_outcomes", failing(error))
        with pytest.raises(type(error)):
            inference.screen_batch(noop.pk, Stop())

    until(lambda: tries() == [("waiting", 0, False, 0)] * 3, 20, "not given back")
    assert inference.screen_batch(noop.pk, Stop())
    assert tries() == [("scored", 1, False, 0)] * 3


def test_rows_are_given_back_once_the_database_answers_again(monkeypatch):
    row, answers = ScreeningFactory(), []
    lease, _ = leasing.claim(Screening.objects.filter(pk=row.pk), limit=1, seconds=30, state=ScreeningState.LEASED)

    def release(lease):
        answers.append(len(answers))
        if answers[-1] < 2:
            raise (OperationalError, InterfaceError)[answers[-1]]("still starting")
        return leasing.give_back(Screening, lease, state=ScreeningState.WAITING)

    monkeypatch.setitem(keeper.RELEASE, Screening, release)
    monkeypatch.setattr(keeper, "GIVE_BACK_SECONDS", 0.01)
    with pytest.raises(OperationalError, match="shut down"), keeper.keeping(Screening, lease, [row.upload_id]):
        raise OperationalError("shut down")

    until(lambda: Screening.objects.get().state == ScreeningState.WAITING, 20, "not given back")
    assert answers == [0, 1, 2]
    until(lambda: lease.token not in keeper._kept, 20, "still owed")


class Refused(Exception):
    """What a driver says of a row that its database refuses, by its number."""

    def __init__(self, **numbers):
        super().__init__("refused")
        vars(self).update(numbers)


def caused(error, **numbers):
    error.__cause__ = Refused(**numbers)
    return error


@pytest.mark.parametrize(
    ("error", "away"),
    [
        (OperationalError("server closed the connection"), True),
        (InterfaceError("connection already closed"), True),
        (caused(OperationalError(), sqlstate="08006"), True),
        (caused(OperationalError(), sqlstate="57P01"), True),  # shut down by hand
        (caused(OperationalError(), sqlstate="54000"), False),  # a value too long for an index
        (caused(OperationalError(), sqlstate="57014"), False),  # cancelled
        (caused(OperationalError(), sqlite_errorcode=sqlite3.SQLITE_BUSY_RECOVERY), True),
        (caused(OperationalError(), sqlite_errorcode=sqlite3.SQLITE_ERROR), False),  # no such column
        (DataError("out of range"), False),
    ],
)
def test_the_database_is_away_by_what_it_says_and_not_by_the_kind_of_error(error, away):
    assert database_is_away(error) == away


def test_a_row_that_the_database_refuses_for_ever_ends_in_quarantine(waiting, noop, monkeypatch):  # noqa: F811
    waiting(1)
    refused = caused(OperationalError("index row size exceeds the maximum"), sqlstate="54000")
    monkeypatch.setattr(inference, "record_outcomes", failing(refused))

    for _ in range(3):  # in a batch, and twice alone
        with pytest.raises(OperationalError):
            inference.screen_batch(noop.pk, Stop())
        Screening.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
        reclaim_expired()

    assert tries() == [("quarantined", 3, True, 2)]


def test_what_else_goes_wrong_while_rows_are_computed_still_counts_against_them(waiting, noop, monkeypatch):  # noqa: F811
    waiting(1)
    monkeypatch.setattr(inference, "record_outcomes", failing(RuntimeError("of this picture")))

    with pytest.raises(RuntimeError):
        inference.screen_batch(noop.pk, Stop())

    assert [(row.state, row.computing) for row in Screening.objects.all()] == [("leased", True)]


@pytest.fixture
def ran_out(settings):
    """An item and screenings, alone and not, whose leases ran out a second ago while they were computed."""
    end = timezone.now() - timedelta(seconds=1)
    held = {"lease_token": "5b0a7a52-6b0c-4c2e-9f3e-2f6f0f1a7c11", "lease_until": end, "computing": True}
    ItemFactory(state=ItemState.DECODING, **held)
    for alone in (True, False):
        ScreeningFactory(state=ScreeningState.LEASED, alone=alone, deaths=int(alone), **held)
    return end - timedelta(seconds=settings.CONFIG.lease_seconds)  # when they were last renewed


def stand():
    screenings = Screening.objects.order_by("-alone", "deaths").values_list("state", "alone", "deaths")
    return [(item.state, item.deaths) for item in Item.objects.filter(state="received")], list(screenings)


def test_leases_that_nobody_could_renew_tell_of_no_death(ran_out, monkeypatch):
    monkeypatch.setattr(leasing, "back_since", lambda: ran_out + timedelta(seconds=0.5))

    assert reclaim_expired() == 3
    assert stand() == ([("received", 0)], [("waiting", True, 1), ("waiting", False, 0)])


@pytest.mark.parametrize("server", [True, False])
def test_leases_that_were_renewed_since_the_database_started_tell_of_one(ran_out, monkeypatch, server):
    monkeypatch.setattr(leasing, "back_since", lambda: ran_out - timedelta(seconds=0.5) if server else None)

    assert reclaim_expired() == 3
    assert stand() == ([("received", 1)], [("waiting", True, 0), ("quarantined", True, 2)])


def test_a_server_says_since_when_it_answers_and_a_file_has_no_such_time():
    since = leasing.back_since()

    assert (since is None) == (connection.vendor == "sqlite")
    assert since is None or timedelta() < timezone.now() - since < timedelta(days=3650)
