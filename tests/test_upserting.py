"""Rows written in few statements are those that Django would have written, on either engine."""

from contextlib import suppress
from datetime import UTC, datetime
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
from django.db import DataError, IntegrityError, connection, transaction

from screening.audit.chain import GENESIS
from screening.audit.models import AuditEvent, AuditHead
from screening.results.models import Screening, ScreeningState
from screening.uploads.models import Item, ItemState
from screening.upserting import SOME, insert_new, insert_rows, write_columns
from screening.users.models import Site
from tests.factories import ImageFactory, ItemFactory, ScreeningFactory, SiteFactory

pytestmark = pytest.mark.django_db


def heads(count: int) -> list[AuditHead]:
    return [AuditHead(chain=f"study:{number}", seq=number, hash=GENESIS) for number in range(count)]


def event(**more: object) -> AuditEvent:
    told = {"chain": "site:1", "seq": 1, "site_id": uuid4(), "at": datetime(2026, 1, 2, tzinfo=UTC), "hash": GENESIS}
    return AuditEvent(**{**told, "action": "site:made", "actor": "service:test", "previous": GENESIS, **more})


def test_more_rows_than_a_statement_takes_are_all_written():
    insert_rows(heads(2500))

    assert AuditHead.objects.count() == 2500
    assert AuditHead.objects.get(chain="study:2499").seq == 2499


def test_keys_are_written_as_their_fields_would_whatever_they_are_given_as():
    as_keys, as_texts = ItemFactory.build(), ItemFactory.build()
    upload = ItemFactory().upload
    for item in (as_keys, as_texts):
        item.upload = upload
    as_texts.pk, as_texts.upload_id = str(uuid4()), str(upload.pk)

    insert_rows([as_keys, as_texts])

    found = dict(Item.objects.filter(pk__in=[as_keys.pk, as_texts.pk]).values_list("pk", "upload_id"))
    assert found == {as_keys.pk: upload.pk, UUID(as_texts.pk): upload.pk}
    assert not Item.objects.filter(pk=as_keys.pk, study_id__isnull=False).exists()


@pytest.mark.parametrize("count", [1, SOME])
def test_values_come_back_as_they_were_given(count):
    moment = datetime(2026, 11, 21, 12, 30, 15, 123456, tzinfo=UTC)
    detail = {"covid": 0.25, "none": None, "text": 'ä "quoted" % %s \\N \t\n\\.', "list": [1, {"a": None}]}
    insert_rows([event(seq=number + 1, at=moment, detail=detail, actor="\\N") for number in range(count)])

    read = list(AuditEvent.objects.all())
    assert [(one.at, one.detail, one.actor, one.pk is None) for one in read] == [(moment, detail, "\\N", False)] * count


def test_rows_with_keys_choices_and_nothing_among_them_come_back_whatever_their_number():
    known = ScreeningFactory(state=ScreeningState.WAITING, distance=None)
    fresh = []
    for number in range(SOME):
        row = ScreeningFactory.build(state=ScreeningState.WAITING if number % 2 else "waiting", distance=None)
        row.pk, row.done_at = uuid4(), datetime(2026, 1, 2, tzinfo=UTC) if number % 3 else None
        row.image = ImageFactory(study=known.study)
        row.site_id, row.study_id, row.upload_id = known.site_id, known.study_id, known.upload_id
        row.model_version_id = known.model_version_id
        fresh.append(row)
    insert_rows(fresh)
    for number, row in enumerate(fresh):
        row.state, row.distance = (ScreeningState.SCORED, 0.5) if number % 2 else ("failed", None)
        row.distance = 1 if number == 3 else row.distance
        row.scores = {"covid": number / 100} if number % 2 else {}
    write_columns(fresh, ["state", "distance", "scores"])

    read = Screening.objects.in_bulk([row.pk for row in fresh])
    told = [(row.state, row.distance, row.scores, row.done_at, row.image_id, row.lease_token) for row in fresh]
    found = [read[row.pk] for row in fresh]
    assert told == [(row.state, row.distance, row.scores, row.done_at, row.image_id, None) for row in found]


def test_no_value_a_choice_and_a_number_are_told_apart():
    row = ScreeningFactory(state=ScreeningState.WAITING)
    row.state, row.distance, row.scores, row.flagged = ScreeningState.SCORED, None, {"covid": 0.5}, True

    write_columns([row], ["state", "distance", "scores", "flagged"])

    read = Screening.objects.get(pk=row.pk)
    assert (read.state, read.distance, read.scores, read.flagged) == ("scored", None, {"covid": 0.5}, True)


def test_only_the_columns_that_are_named_are_written():
    item = ItemFactory(state=ItemState.RECEIVED)
    Item.objects.filter(pk=item.pk).update(code="written by another")
    item.size, item.code = 77, "of this process"

    write_columns([item], ["size"])

    read = Item.objects.get(pk=item.pk)
    assert (read.size, read.code) == (77, "written by another")


def test_who_comes_second_is_left_out_where_that_is_said_and_refused_where_not():
    insert_rows(heads(1))
    second = AuditHead(chain="study:0", seq=7, hash=GENESIS)

    insert_rows([second, *heads(3)[1:]], unless_there=True)

    assert dict(AuditHead.objects.values_list("chain", "seq")) == {"study:0": 0, "study:1": 1, "study:2": 2}
    with pytest.raises(IntegrityError), transaction.atomic():
        insert_rows([second])


def test_who_comes_second_among_many_is_refused_as_by_any_statement():
    insert_rows(heads(20))

    with pytest.raises(IntegrityError), transaction.atomic():
        insert_rows(heads(40)[19:])

    assert AuditHead.objects.count() == 20


def test_a_row_that_is_gone_meanwhile_is_not_made_again():
    kept, gone = ItemFactory(), ItemFactory()
    Item.objects.filter(pk=gone.pk).delete()
    kept.size = gone.size = 77

    write_columns([kept, gone], ["size"])

    assert dict(Item.objects.values_list("pk", "size")) == {kept.pk: 77}


def test_a_text_that_is_too_long_is_never_cut_off_unsaid():
    item = ItemFactory()
    item.code = "x" * 200

    with suppress(DataError), transaction.atomic():  # SQLite takes texts of any length
        write_columns([item], ["code"])

    assert len(Item.objects.get(pk=item.pk).code) in {0, 200}


def test_what_rows_share_and_what_they_do_not_is_told_apart():
    rows = ScreeningFactory.create_batch(3)
    shared = {"covid": 0.41}
    for number, row in enumerate(rows):
        row.thresholds, row.scores = shared, {"covid": number / 10}

    write_columns(rows, ["thresholds", "scores"])

    read = Screening.objects.in_bulk([row.pk for row in rows])
    assert [(read[row.pk].thresholds, read[row.pk].scores["covid"]) for row in rows] == [
        (shared, 0.0),
        (shared, 0.1),
        (shared, 0.2),
    ]


@pytest.mark.parametrize("broken", [{"seq": 0}, {"hash": None}])
def test_a_row_that_breaks_another_rule_is_refused_also_where_a_second_one_would_be_left_out(broken: dict[str, object]):
    with pytest.raises(IntegrityError), transaction.atomic():
        insert_rows([event(**broken)], unless_there=True)

    assert AuditEvent.objects.count() == 0


def test_rows_that_were_written_know_it():
    site = Site(name="A site of its own")

    insert_rows([site])

    assert (site._state.adding, site._state.db) == (False, connection.alias)
    site.name = "renamed"
    site.save()
    assert Site.objects.get(pk=site.pk).name == "renamed"


def test_no_rows_are_no_statement(django_assert_num_queries):
    SiteFactory()
    with django_assert_num_queries(0):
        insert_rows([])
        write_columns([], ["name"])


def test_keys_of_the_rows_that_were_not_there_come_back():
    insert_rows(heads(3))

    assert insert_new(heads(5)) == {"study:3", "study:4"}
    assert insert_new(heads(2500)) == {f"study:{number}" for number in range(5, 2500)}
    assert AuditHead.objects.get(chain="study:1").seq == 1


def test_where_the_engine_does_not_say_what_it_inserted_the_rows_are_there_all_the_same(monkeypatch):
    monkeypatch.setattr(connection.features, "can_return_columns_from_insert", False)

    assert insert_new(heads(3)) == set()
    assert AuditHead.objects.count() == 3


def test_new_rows_are_told_apart_by_keys_of_text_alone():
    with pytest.raises(TypeError, match="not text"):
        insert_new([ScreeningFactory.build()])


@pytest.mark.parametrize(
    "moment",
    [
        datetime(2026, 11, 21, 12, 30, 15, tzinfo=UTC),
        datetime(2026, 11, 21, 12, 30, 15, 7, tzinfo=UTC),
        datetime(2026, 11, 21, 12, 30, 15, tzinfo=ZoneInfo("Asia/Kathmandu")),
    ],
)
def test_moments_are_written_as_django_writes_them(moment):
    insert_rows([event(at=moment)])
    by_django = event(at=moment, chain="site:2")
    by_django.save()

    with connection.cursor() as cursor:
        cursor.execute("SELECT at FROM audit_auditevent ORDER BY chain")
        ours, theirs = cursor.fetchall()
    assert ours == theirs
