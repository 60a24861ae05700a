"""The database keeps the promises of a class by itself, whoever writes to it."""

import pytest
from django.db import DatabaseError, connection, transaction

from screening.classes.models import Case, ClassAnswer, ModelAnswer, ReadingSet, Seat
from screening.classes.triggers import install_triggers, lift_triggers, triggers_present
from tests.classes.taught import Taught, a_class
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def taught() -> Taught:
    return a_class(students=1)


def refused(act) -> bool:
    try:
        with transaction.atomic():
            act()
    except DatabaseError:
        return True
    return False


def test_answers_are_neither_changed_nor_deleted(taught):
    taught.revealed()

    assert refused(lambda: ClassAnswer.objects.update(answer="unsure"))
    assert refused(lambda: ClassAnswer.objects.all()._raw_delete("default"))
    assert refused(lambda: ModelAnswer.objects.update(word="not assessed", score=None, point=None))
    assert refused(lambda: ModelAnswer.objects.all()._raw_delete("default"))


def test_no_answer_is_written_into_a_set_that_is_not_open(taught):
    made, student = taught.make(), taught.students[0]
    late = {"reader": student, "seq": 9, "answer": "present"}
    assert refused(lambda: ClassAnswer.objects.create(case=made.cases.first(), **late))

    found = taught.revealed()

    assert refused(lambda: ClassAnswer.objects.create(case=found.cases.first(), **late))


def test_the_truth_of_an_open_set_is_fixed(taught):
    found = taught.opened()

    assert refused(lambda: Case.objects.update(present=True))
    assert refused(lambda: Case.objects.all()._raw_delete("default"))
    assert refused(lambda: Seat.objects.all()._raw_delete("default"))
    more = {"study": taught.studies[0], "number": 99, "truth": "covid", "present": True}
    assert refused(lambda: Case.objects.create(reading_set=found, **more))


@pytest.mark.parametrize(
    "change",
    [{"state": "draft", "opened_at": None, "revealed_at": None}, {"finding": "other"}, {"order_key": "x"}],
    ids=["back to preparation", "another question", "another order"],
)
def test_a_set_only_moves_forward(taught, change):
    found = taught.revealed()

    assert refused(lambda: ReadingSet.objects.filter(pk=found.pk).update(**change))
    assert refused(lambda: ReadingSet.objects.all()._raw_delete("default"))


def test_a_row_is_not_replaced(taught):
    found = taught.opened()
    taught.answer_rightly(found, taught.students[0])
    changes = {
        "classes_classanswer": "answer = 'unsure'",
        "classes_case": "number = 99",
        "classes_readingset": "finding = 'x'",
    }
    with connection.cursor() as cursor:
        for table, change in changes.items():
            copy = f"INSERT INTO {table} SELECT * FROM {table} LIMIT 1 ON CONFLICT (id) DO UPDATE SET {change}"
            if connection.vendor == "sqlite":
                copy = f"INSERT OR REPLACE INTO {table} SELECT * FROM {table} LIMIT 1"
            assert refused(lambda copy=copy: cursor.execute(copy)), table


def test_readiness_misses_the_triggers(client):
    assert client.get("/readyz").status_code == 200
    lift_triggers(connection)
    try:
        assert not triggers_present(connection)
        assert client.get("/readyz").status_code == 503
    finally:
        install_triggers(connection)


def test_one_seat_and_one_place_for_each(taught):
    found = taught.opened()
    somebody = UserFactory()
    Seat.objects.create(reading_set=found, reader=somebody)

    assert refused(lambda: Seat.objects.create(reading_set=found, reader=somebody))
