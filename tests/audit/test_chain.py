from uuid import uuid4

import pytest
from django.db import DatabaseError, connection, transaction

from screening.audit.actor import Actor
from screening.audit.models import AuditEvent, AuditHead, ChainKind
from screening.audit.services import Draft, record, verify_chain
from screening.audit.triggers import install_triggers, lift_triggers, triggers_present

pytestmark = pytest.mark.django_db
SITE, STUDY = uuid4(), uuid4()


def append(count: int = 3, study=STUDY) -> None:
    with transaction.atomic():
        drafts = [Draft(ChainKind.STUDY, study, SITE, "study:tested", {"n": n, "x": 0.1}) for n in range(count)]
        record(Actor.service("test"), drafts)


@pytest.fixture
def tampering():
    """Somebody with the database in their hands: the triggers are away."""
    lift_triggers(connection)
    yield
    install_triggers(connection)


def report():
    return verify_chain(ChainKind.STUDY, STUDY)


def test_a_chain_that_nobody_touched_is_intact():
    append()
    append()

    assert (report().intact, report().events) == (True, 6)


@pytest.mark.django_db(transaction=True)
def test_an_event_is_refused_outside_the_transaction_of_what_it_records():
    with pytest.raises(RuntimeError):
        record(Actor.service("test"), [Draft(ChainKind.STUDY, STUDY, SITE, "study:tested")])

    assert not AuditEvent.objects.exists()


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE audit_auditevent SET action = 'x'",
        "DELETE FROM audit_auditevent",
        "DELETE FROM audit_audithead",
        "UPDATE audit_audithead SET seq = 0",
    ],
)
def test_the_database_refuses_to_change_the_record(sql):
    append()

    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)

    assert report().intact


WAYS_AROUND_A_DELETE_TRIGGER = {
    "sqlite": "INSERT OR REPLACE INTO audit_auditevent SELECT * FROM audit_auditevent LIMIT 1",
    "postgresql": "TRUNCATE audit_auditevent",
}


def test_the_way_around_a_delete_trigger_that_the_engine_offers_is_refused():
    append()

    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(WAYS_AROUND_A_DELETE_TRIGGER[connection.vendor])

    assert report().events == 3


def test_readiness_sees_whether_the_triggers_are_there(tampering):
    assert not triggers_present(connection)
    install_triggers(connection)
    assert triggers_present(connection)


def test_an_edit_is_found(tampering):
    append()

    AuditEvent.objects.filter(seq=2).update(detail={"n": 99, "x": 0.1})

    assert (report().broken_at, report().reason) == (2, "an event was changed")


def test_a_deletion_in_the_middle_is_found(tampering):
    append()

    AuditEvent.objects.filter(seq=2).delete()

    assert report().broken_at == 2


def test_a_cut_tail_is_found(tampering):
    append()

    AuditEvent.objects.filter(seq=3).delete()

    assert report().reason == "the end of the chain was cut off"


def test_a_new_order_is_found(tampering):
    append()

    AuditEvent.objects.filter(seq=2).update(seq=10)
    AuditEvent.objects.filter(seq=3).update(seq=2)
    AuditEvent.objects.filter(seq=10).update(seq=3)

    assert report().broken_at == 2


def test_a_dropped_head_is_found(tampering):
    append()

    AuditHead.objects.all().delete()

    assert report().reason == "the head of the chain is missing"


def test_chains_of_two_studies_do_not_touch_each_other():
    append()
    append(2, study=uuid4())

    assert report().events == 3
