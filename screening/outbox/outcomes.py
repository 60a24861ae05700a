"""What came of a try: sent, tried again later, or given up. Written only for rows that are still held."""

import random
from datetime import datetime, timedelta
from typing import Final

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from screening import leasing
from screening.audit.actor import Actor
from screening.audit.models import ChainKind
from screening.audit.services import Draft, record
from screening.errors import LeaseLost
from screening.leasing import FREE, Lease
from screening.outbox.announcing import announce_disabled
from screening.outbox.models import Delivery, Endpoint, Letter, SendState
from screening.retrying import again_on_conflict

TRIES: Final = 15  # with the pauses below, about a day
FIRST_PAUSE: Final = 10.0  # seconds; doubled with every try
LONGEST_PAUSE: Final = 6 * 3600.0
FIRST_REST: Final = 5.0  # of an endpoint after a failure; doubled with every further one
LONGEST_REST: Final = 300.0
PATIENCE: Final = timedelta(days=3)  # of failures alone, then an endpoint is switched off
QUIET: Final = timedelta(seconds=2 * LONGEST_PAUSE)  # a pause, a rest, and workers that were away for a while
SENT_DAYS: Final = 7  # for which what was sent can be looked at
DEAD_DAYS: Final = 30
MOST_DROPPED: Final = 500
COURIER: Final = Actor.service("webhooks")


def pause(attempts: int, *, first: float = FIRST_PAUSE, longest: float = LONGEST_PAUSE) -> float:
    """Seconds until the next try: doubled with every one, and spread, so that what failed together comes apart."""
    whole = min(longest, first * 2.0 ** min(attempts - 1, 30))
    return whole * random.uniform(0.5, 1.0)  # noqa: S311 - spreading, not secrecy


@again_on_conflict
@transaction.atomic
def record_delivered(*, lease: Lease, delivery: Delivery, answered: int) -> None:
    """Note that an endpoint took an event.

    Raises:
        LeaseLost: the delivery is not held any more, so it is sent once more; nothing was written.
    """
    Endpoint.objects.select_for_update().get(pk=delivery.endpoint_id)
    rows = leasing.held(Delivery, lease).filter(pk=delivery.pk)
    done = {"state": SendState.SENT, "done_at": Now(), "answered": answered, "problem": "", **FREE}
    if not rows.update(**done):
        raise LeaseLost("The lease on this delivery ran out.")
    Endpoint.objects.filter(pk=delivery.endpoint_id).update(
        failures=0, failing_since=None, resting_until=None, delivered_at=Now()
    )


@again_on_conflict
@transaction.atomic
def record_refused(*, lease: Lease, delivery: Delivery, problem: str, answered: int | None = None) -> bool:
    """Note that an event did not arrive: it is tried again later, or given up. Whether its endpoint was switched off.

    Raises:
        LeaseLost: the delivery is not held any more; nothing was written.
    """
    endpoint = Endpoint.objects.select_for_update().get(pk=delivery.endpoint_id)
    row = leasing.held(Delivery, lease).filter(pk=delivery.pk).first()
    if row is None:
        raise LeaseLost("The lease on this delivery ran out.")
    changes = {"answered": answered, "problem": problem, **FREE, **_after(row.attempts)}
    Delivery.objects.filter(pk=row.pk).update(**changes)
    now = timezone.now()
    endpoint.failures += 1
    endpoint.failing_since = _streak(endpoint, now)
    endpoint.failed_at = now
    rest = pause(endpoint.failures, first=FIRST_REST, longest=LONGEST_REST)
    disabled = now - endpoint.failing_since >= PATIENCE and endpoint.disabled_at is None
    endpoint.disabled_at = now if disabled else endpoint.disabled_at
    endpoint.save(update_fields=["failures", "failing_since", "failed_at", "disabled_at"])
    Endpoint.objects.filter(pk=endpoint.pk).update(resting_until=Now() + timedelta(seconds=rest))
    if disabled:
        _switched_off(endpoint)
    return disabled


def _streak(endpoint: Endpoint, now: datetime) -> datetime:
    """Since when an endpoint that fails now fails alone: a time in which nothing was tried says nothing about it."""
    quiet = endpoint.failed_at is not None and now - endpoint.failed_at > QUIET
    return now if quiet else endpoint.failing_since or now


def _after(attempts: int) -> dict[str, object]:
    if attempts >= TRIES:
        return {"state": SendState.DEAD, "done_at": Now()}
    seconds = pause(attempts)
    return {
        "state": SendState.WAITING,
        "due_at": Now() + timedelta(seconds=seconds),
        "rank": F("rank") + seconds,
        "alone": False,
    }


def give_up_undone(endpoint: Endpoint) -> int:
    """Give up what was not sent; it can be sent again once the endpoint is on. In a transaction. How many rows."""
    undone = Delivery.objects.filter(endpoint=endpoint, state__in=(SendState.WAITING, SendState.LEASED))
    return undone.update(state=SendState.DEAD, done_at=Now(), problem="endpoint_disabled", **FREE)


def _switched_off(endpoint: Endpoint) -> None:
    given_up = give_up_undone(endpoint)
    announce_disabled(endpoint)
    detail = {"endpoint": str(endpoint.pk), "failures": endpoint.failures, "given_up": given_up}
    record(COURIER, [Draft(ChainKind.SITE, endpoint.site_id, endpoint.site_id, "webhook:disabled", detail)])


@again_on_conflict
@transaction.atomic
def record_letter(*, lease: Lease, letter: Letter, problem: str = "") -> None:
    """Note that a letter was taken by the mail server, or why not: then it is tried again later, or given up.

    Raises:
        LeaseLost: the letter is not held any more; nothing was written.
    """
    row = leasing.held(Letter, lease).filter(pk=letter.pk).first()
    if row is None:
        raise LeaseLost("The lease on this letter ran out.")
    sent: dict[str, object] = {"state": SendState.SENT, "done_at": Now()}
    after = _after(row.attempts) if problem else sent
    Letter.objects.filter(pk=row.pk).update(problem=problem, **FREE, **after)


def _drop_unaddressed() -> int:
    """Forget what a change under way wrote for an endpoint that was removed meanwhile."""
    removed = Endpoint.objects.filter(removed_at__isnull=False)
    late = Delivery.objects.filter(endpoint__in=removed).exclude(state=SendState.LEASED)
    keys = list(late.order_by().values_list("pk", flat=True)[:MOST_DROPPED])
    return Delivery.objects.filter(pk__in=keys).delete()[0] if keys else 0


def drop_old_sendings() -> int:
    """Forget what was sent a week ago, given up a month ago, or written for an endpoint while it was removed.

    How many rows.
    """
    gone = _drop_unaddressed()
    for model in (Delivery, Letter):
        for state, days in ((SendState.SENT, SENT_DAYS), (SendState.DEAD, DEAD_DAYS)):
            old = leasing.rows_of(model).filter(state=state, done_at__lt=Now() - timedelta(days=days))
            keys = list(old.order_by("done_at").values_list("pk", flat=True)[:MOST_DROPPED])
            if keys:
                gone += leasing.rows_of(model).filter(pk__in=keys, state=state).delete()[0]
    return gone
