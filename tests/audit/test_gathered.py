"""What a transaction records in several places is written at once, and reads as if it had been written one by one."""

from uuid import uuid4

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from screening.audit.actor import Actor
from screening.audit.models import AuditEvent, AuditHead, ChainKind
from screening.audit.services import Draft, gathered, record, verify_chain
from screening.errors import LeaseLost

pytestmark = pytest.mark.django_db
SITE, STUDY, OTHER = uuid4(), uuid4(), uuid4()
ADA, BEA = Actor.service("ada"), Actor.service("bea")


def draft(action: str, study=STUDY) -> Draft:
    return Draft(ChainKind.STUDY, study, SITE, f"study:{action}")


def told(study=STUDY) -> list[tuple[int, str, str]]:
    events = AuditEvent.objects.filter(chain=f"study:{study}").order_by("seq")
    return list(events.values_list("seq", "action", "actor"))


def test_events_keep_their_order_and_who_caused_them():
    record(ADA, [draft("made")])
    with transaction.atomic(), gathered():
        record(ADA, [draft("first"), draft("elsewhere", OTHER)])
        record(BEA, [draft("second")])
        assert len(told()) == 1

    assert told() == [
        (1, "study:made", "service:ada"),
        (2, "study:first", "service:ada"),
        (3, "study:second", "service:bea"),
    ]
    assert told(OTHER) == [(1, "study:elsewhere", "service:ada")]
    assert all(verify_chain(ChainKind.STUDY, study).intact for study in (STUDY, OTHER))


def test_two_records_cost_no_more_statements_than_one():
    record(ADA, [draft("made")])
    with CaptureQueriesContext(connection) as one:
        record(ADA, [draft("first")])
    with CaptureQueriesContext(connection) as two, gathered():
        record(ADA, [draft("second")])
        record(BEA, [draft("third")])

    assert len(two) == len(one)


def test_gathering_within_gathering_is_one():
    with gathered():
        record(ADA, [draft("first")])
        with gathered():
            record(ADA, [draft("second")])
        assert told() == []

    assert [action for _, action, _ in told()] == ["study:first", "study:second"]


def test_what_is_raised_within_leaves_nothing_recorded_and_nothing_gathered():
    def broken() -> None:
        with transaction.atomic(), gathered():
            record(ADA, [draft("first")])
            raise LeaseLost("Others have it.")

    with pytest.raises(LeaseLost):
        broken()

    record(ADA, [draft("later")])
    assert told() == [(1, "study:later", "service:ada")]


def test_a_part_that_could_be_undone_by_itself_may_not_record():
    with gathered(), transaction.atomic(), pytest.raises(RuntimeError, match="savepoint"):
        record(ADA, [draft("first")])

    assert told() == []


def test_nothing_recorded_locks_nothing():
    with CaptureQueriesContext(connection) as asked, gathered():
        record(ADA, [])

    assert len(asked) == 0
    assert not AuditHead.objects.exists()


def test_chains_begin_also_where_the_engine_does_not_say_what_it_inserted(monkeypatch):
    monkeypatch.setattr(connection.features, "can_return_columns_from_insert", False)
    record(ADA, [draft("first"), draft("elsewhere", OTHER)])
    record(ADA, [draft("second")])

    assert [action for _, action, _ in told()] == ["study:first", "study:second"]
    assert verify_chain(ChainKind.STUDY, STUDY).intact
