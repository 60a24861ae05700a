"""At least once: tried again, given up, replayed, switched off; every message signed, and identifying nobody."""

import json
import random
import threading
import time
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.utils import timezone

from chest_client.webhooks import BadSignature, verify
from ml.vocabulary import DISCLAIMER
from screening.audit.actor import Actor
from screening.audit.models import AuditEvent
from screening.errors import LeaseLost, LimitExceeded
from screening.hooks.endpoints import (
    EndpointGone,
    add_endpoint,
    remove_endpoint,
    replay,
    resume_endpoint,
    rotate_secret,
)
from screening.hooks.signing import secret_of
from screening.leasing import Lease
from screening.outbox.announcing import announce_changes, announce_upload
from screening.outbox.leases import begin_delivery, claim_deliveries, due_deliveries, next_endpoint, reclaim_sendings
from screening.outbox.models import Delivery, Endpoint, EventKind, Letter, MailWish, SendState
from screening.outbox.outcomes import PATIENCE, TRIES, drop_old_sendings, pause, record_delivered
from screening.users.keys import fresh_key, site_key
from tests.factories import StudyFactory, UploadFactory
from tests.hooks.receivers import receiving, reply
from workers.crew import Stop
from workers.outbound import deliveries, posting
from workers.outbound.deliveries import deliver_somewhere

pytestmark = pytest.mark.django_db(transaction=True)


def announce(endpoint, number: int = 1) -> list[Delivery]:
    """Announce so many finished uploads."""
    for _ in range(number):
        upload = UploadFactory(site=endpoint.site, finished=True)
        announce_upload(upload_id=upload.pk, site_id=upload.site_id, owner_id=upload.created_by_id, state="finished")
    return list(Delivery.objects.filter(endpoint=endpoint).order_by("rank"))


def awake(endpoint) -> None:
    """Let all pauses be over."""
    past = timezone.now() - timedelta(seconds=1)
    Endpoint.objects.filter(pk=endpoint.pk).update(resting_until=past)
    Delivery.objects.filter(state=SendState.WAITING).update(due_at=past)


def drain() -> int:
    batches = 0
    while deliver_somewhere(Stop()):
        batches += 1
    return batches


def one(delivery) -> Delivery:
    return Delivery.objects.get(pk=delivery.pk)


def test_an_event_arrives_signed_with_identifiers_a_state_and_links_and_nothing_else(endpoint, receiver):
    study = StudyFactory(upload=UploadFactory(site=endpoint.site, name="Mrs. Planted"), ready=True, external_id="P-1")
    announce_changes(endpoint.site_id, {study.pk: "ready"}, 7)

    assert drain() == 1

    [came] = receiver.came
    event = verify(came.body, came.headers["chest-signature"], [secret_of(endpoint, 1)])
    delivery = Delivery.objects.get()
    assert json.loads(came.body) == {
        "id": str(delivery.pk),
        "type": "study.changed",
        "created_at": delivery.created_at.isoformat(),
        "site": str(endpoint.site_id),
        "data": {
            "study": str(study.pk),
            "state": "ready",
            "change_number": 7,
            "links": {"study": f"http://localhost:8000/api/v1/studies/{study.pk}/"},
        },
        "disclaimer": DISCLAIMER,
    }
    assert (event.id, event.type) == (came.headers["chest-event-id"], came.headers["chest-event"])
    assert (delivery.state, delivery.answered, delivery.attempts) == (SendState.SENT, 200, 1)
    assert Endpoint.objects.get().delivered_at is not None


def test_many_events_share_a_connection_and_each_arrives_once(endpoint, receiver):
    rows = announce(endpoint, 20)

    drain()

    assert sorted(receiver.ids) == sorted(str(row.pk) for row in rows)
    assert receiver.connections == 2  # sixteen, and the rest
    assert not Delivery.objects.exclude(state=SendState.SENT).exists()


def test_a_refused_event_is_tried_again_later_with_the_same_identifier_and_body(endpoint, receiver):
    [row] = announce(endpoint)
    receiver.answer = lambda handler: reply(handler, 503)
    drain()
    failed = one(row)

    assert (failed.state, failed.problem, failed.answered) == (SendState.WAITING, "not_accepted", 503)
    assert failed.due_at > timezone.now()
    assert next_endpoint() is None  # neither the event nor its endpoint is due

    receiver.answer = lambda handler: reply(handler, 204)
    awake(endpoint)
    drain()

    assert receiver.ids == [str(row.pk)] * 2
    assert receiver.came[0].body == receiver.came[1].body
    assert (one(row).state, one(row).attempts) == (SendState.SENT, 2)
    assert Endpoint.objects.get().failures == 0


def test_pauses_double_and_are_spread_and_end_at_six_hours():
    random.seed(7)
    drawn = {attempt: [pause(attempt) for _ in range(300)] for attempt in (1, 2, 5, 40)}

    for attempt, most in ((1, 10), (2, 20), (5, 160), (40, 21_600)):
        assert most / 2 <= min(drawn[attempt]) < most * 0.55
        assert most * 0.95 < max(drawn[attempt]) <= most


def test_while_an_endpoint_fails_one_event_pays_and_the_others_wait_uncounted(endpoint, receiver):
    rows = announce(endpoint, 5)
    receiver.answer = lambda handler: reply(handler, 500)

    assert drain() == 1

    assert [one(row).attempts for row in rows] == [1, 0, 0, 0, 0]
    assert len(receiver.came) == 1


def test_one_event_that_is_never_taken_does_not_hold_up_the_others(endpoint, receiver):
    rows = announce(endpoint, 4)
    poison = str(rows[0].pk)
    receiver.answer = lambda handler: reply(handler, 400 if handler.headers["Chest-Event-Id"] == poison else 200)
    drain()
    Endpoint.objects.update(resting_until=None)
    drain()

    assert [one(row).state for row in rows] == [SendState.WAITING, *[SendState.SENT] * 3]


def test_an_endpoint_that_hangs_holds_up_no_other(endpoint, receiver, allow, site, admin, monkeypatch):
    monkeypatch.setattr(posting, "READ_SECONDS", 100.0)
    monkeypatch.setattr(posting, "DEADLINE_SECONDS", 100.0)  # it hangs until the end of this test
    told = threading.Event()
    with receiving(lambda handler: (told.wait(60), reply(handler, 200))) as slow:
        allow(slow, receiver)
        other = add_endpoint(site=site, url=slow.url(), kinds=list(EventKind), actor=Actor.user(admin)).endpoint
        announce(endpoint, 3)
        deliveries.CREW._stop.clear()
        deliveries.CREW.start(2)
        try:
            patience = time.monotonic() + 60
            while not (len(receiver.came) == 3 and slow.came) and time.monotonic() < patience:
                time.sleep(0.02)
            held = Delivery.objects.filter(endpoint=other, lease_token__isnull=False).count()
            arrived = len(receiver.came)
        finally:
            told.set()
            deliveries.CREW.stop()
            ended = deliveries.CREW.join(20)
            deliveries.CREW._threads.clear()
            deliveries.CREW._stop.clear()

    assert (arrived, held > 0, ended) == (3, True, True)


def test_after_the_last_try_an_event_is_given_up_and_can_be_replayed_with_its_identifier(endpoint, receiver, admin):
    [row] = announce(endpoint)
    receiver.answer = lambda handler: reply(handler, 500)
    for _ in range(TRIES):
        awake(endpoint)
        drain()
    assert (one(row).state, one(row).attempts) == (SendState.DEAD, TRIES)
    awake(endpoint)
    assert drain() == 0

    receiver.answer = lambda handler: reply(handler, 200)
    replayed = replay(endpoint_id=endpoint.pk, delivery_ids=[row.pk], actor=Actor.user(admin))
    drain()

    assert replayed == 1
    assert (one(row).state, one(row).attempts) == (SendState.SENT, 1)
    assert receiver.ids == [str(row.pk)] * (TRIES + 1)
    assert AuditEvent.objects.get(action="webhook:replayed").detail["deliveries"] == 1


def test_after_days_of_failures_an_endpoint_is_switched_off_and_its_administrators_are_told(endpoint, receiver, admin):
    MailWish.objects.create(user=admin, address="admin@example.org", confirmed_at=timezone.now())
    rows = announce(endpoint, 3)
    Endpoint.objects.update(failing_since=timezone.now() - PATIENCE, failures=40)
    receiver.answer = lambda handler: reply(handler, 500)

    drain()

    off = Endpoint.objects.get()
    assert off.disabled_at is not None
    assert {one(row).state for row in rows} == {SendState.DEAD}
    assert Letter.objects.get().user == admin
    assert AuditEvent.objects.get(action="webhook:disabled").detail["given_up"] == 3
    announce(endpoint)
    assert Delivery.objects.count() == 3  # nothing is written for it while it is off

    receiver.answer = lambda handler: reply(handler, 200)
    resume_endpoint(endpoint_id=endpoint.pk, actor=Actor.user(admin))
    replay(endpoint_id=endpoint.pk, delivery_ids=None, actor=Actor.user(admin))
    drain()

    assert {one(row).state for row in rows} == {SendState.SENT}


def test_a_failure_after_days_in_which_nothing_was_tried_begins_a_streak_of_its_own(endpoint, receiver):
    [row] = announce(endpoint)
    long_ago = timezone.now() - PATIENCE
    Endpoint.objects.update(failing_since=long_ago, failed_at=long_ago + timedelta(days=1), failures=15)
    receiver.answer = lambda handler: reply(handler, 503)

    drain()

    failed = Endpoint.objects.get()
    assert (failed.disabled_at, one(row).state) == (None, SendState.WAITING)
    assert failed.failing_since == failed.failed_at > long_ago + timedelta(days=2)


def test_a_streak_goes_on_over_the_longest_pause(endpoint, receiver):
    announce(endpoint)
    now = timezone.now()
    Endpoint.objects.update(failing_since=now - PATIENCE, failed_at=now - timedelta(hours=7), failures=40)
    receiver.answer = lambda handler: reply(handler, 503)

    drain()

    assert Endpoint.objects.get().disabled_at is not None


def test_both_secrets_sign_for_a_day_after_a_rotation_and_then_the_new_one_alone(endpoint, receiver, admin):
    first = secret_of(endpoint, 1)
    second = rotate_secret(endpoint_id=endpoint.pk, actor=Actor.user(admin)).secret
    announce(endpoint)
    drain()
    Endpoint.objects.update(previous_until=timezone.now() - timedelta(seconds=1))
    announce(endpoint)
    drain()

    during, after = receiver.came
    for secret in (first, second):
        verify(during.body, during.headers["chest-signature"], [secret])
    verify(after.body, after.headers["chest-signature"], [second])
    with pytest.raises(BadSignature):
        verify(after.body, after.headers["chest-signature"], [first])
    assert first != second


def test_secrets_differ_by_endpoint_and_are_in_no_column(endpoint, site, admin):
    other = add_endpoint(site=site, url=endpoint.url, kinds=list(EventKind), actor=Actor.user(admin))
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM outbox_endpoint")
        stored = str(cursor.fetchall())

    assert other.secret != secret_of(endpoint, 1)
    assert other.secret not in stored
    assert other.secret.removeprefix("whsec_") not in stored
    assert other.secret not in str(list(AuditEvent.objects.values("detail")))


def test_a_worker_that_lost_its_lease_writes_nothing(endpoint, receiver):
    [row] = announce(endpoint)
    lease, rows = claim_deliveries(endpoint_id=endpoint.pk, limit=5)
    Delivery.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert reclaim_sendings() == 1

    with pytest.raises(LeaseLost):
        record_delivered(lease=lease, delivery=rows[0], answered=200)

    assert one(row).state == SendState.WAITING
    assert isinstance(lease, Lease)


def test_a_worker_that_is_asked_to_end_gives_back_what_it_did_not_send(endpoint, receiver):
    announce(endpoint, 4)
    stop = Stop()
    receiver.answer = lambda handler: (stop.set(), reply(handler, 200))

    deliver_somewhere(stop)

    assert sorted(Delivery.objects.values_list("state", "attempts")) == [
        ("sent", 1),
        ("waiting", 0),
        ("waiting", 0),
        ("waiting", 0),
    ]


def test_nothing_is_sent_within_a_transaction(endpoint, receiver, monkeypatch):
    announce(endpoint)
    seen = []
    post = deliveries.Poster.post
    monkeypatch.setattr(
        deliveries.Poster, "post", lambda *words: (seen.append(connection.in_atomic_block), post(*words))[1]
    )

    drain()

    assert seen == [False]


def test_another_pseudonym_key_of_the_site_changes_no_secret(endpoint, site):
    site_key(site.pk)
    before = secret_of(endpoint, 1)

    fresh_key(site.pk).take_over()

    assert secret_of(endpoint, 1) == before


def test_a_removed_endpoint_is_told_nothing_more_and_keeps_no_address_and_no_key(endpoint, receiver, admin, stores):
    announce(endpoint, 2)
    assert [path.name for path in (stores / "keys").iterdir()] == [f"{endpoint.pk}.key"]

    remove_endpoint(endpoint_id=endpoint.pk, actor=Actor.user(admin))

    assert drain() == 0
    assert Endpoint.objects.get().url == ""
    assert list((stores / "keys").iterdir()) == []
    assert Delivery.objects.count() == 0
    with pytest.raises(EndpointGone):
        rotate_secret(endpoint_id=endpoint.pk, actor=Actor.user(admin))


def test_an_endpoint_that_is_removed_while_it_is_told_something_is_told_nothing_more(
    endpoint, receiver, admin, stores, monkeypatch
):
    announce(endpoint, 3)
    post = deliveries.Poster.post

    def removing(*words):
        remove_endpoint(endpoint_id=endpoint.pk, actor=Actor.user(admin))
        return post(*words)

    monkeypatch.setattr(deliveries.Poster, "post", removing)

    assert drain() == 1

    assert len(receiver.came) == 1
    assert Delivery.objects.count() == 0
    assert list((stores / "keys").iterdir()) == []


def test_what_was_claimed_just_before_its_endpoint_was_removed_is_not_begun(endpoint, receiver):
    announce(endpoint)
    lease, [row] = claim_deliveries(endpoint_id=endpoint.pk, limit=1)
    Endpoint.objects.update(removed_at=timezone.now())

    assert not begin_delivery(lease, row.pk)
    assert one(row).attempts == 0


def test_without_its_key_nothing_is_sent_and_no_key_is_made(endpoint, receiver, admin, stores):
    [row] = announce(endpoint)
    (stores / "keys" / f"{endpoint.pk}.key").unlink()

    drain()

    assert receiver.came == []
    assert (one(row).state, one(row).problem) == (SendState.WAITING, "secret_missing")
    assert list((stores / "keys").iterdir()) == []
    again = rotate_secret(endpoint_id=endpoint.pk, actor=Actor.user(admin))
    awake(endpoint)
    drain()
    [came] = receiver.came
    verify(came.body, came.headers["chest-signature"], [again.secret])


def test_an_endpoint_too_many_leaves_no_key(endpoint, site, admin, stores, monkeypatch):
    monkeypatch.setattr("screening.hooks.endpoints.MOST_ENDPOINTS", 1)

    with pytest.raises(LimitExceeded):
        add_endpoint(site=site, url=endpoint.url, kinds=list(EventKind), actor=Actor.user(admin))

    assert [path.stem for path in (stores / "keys").iterdir()] == [str(endpoint.pk)]


def test_what_is_written_for_an_endpoint_while_it_is_removed_is_forgotten(endpoint, receiver, admin):
    remove_endpoint(endpoint_id=endpoint.pk, actor=Actor.user(admin))
    study = uuid4()
    Delivery.objects.create(endpoint=endpoint, kind=EventKind.STUDY_READY, subject=study, subject_state="ready")

    assert drop_old_sendings() == 1
    assert Delivery.objects.count() == 0


def test_what_was_sent_is_forgotten_after_a_week_and_what_was_given_up_after_a_month(endpoint, receiver):
    rows = announce(endpoint, 4)
    ages = ((SendState.SENT, 6), (SendState.SENT, 8), (SendState.DEAD, 29), (SendState.DEAD, 31))
    for row, (state, days) in zip(rows, ages, strict=True):
        Delivery.objects.filter(pk=row.pk).update(state=state, done_at=timezone.now() - timedelta(days=days))

    assert drop_old_sendings() == 2
    assert {row.pk for row in due_deliveries()} == set()
    assert {row.pk for row in Delivery.objects.all()} == {rows[0].pk, rows[2].pk}
