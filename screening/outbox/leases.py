"""Deliveries and letters that workers take: those that are due, one endpoint at a time."""

from typing import Final, TypeVar
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from screening import leasing
from screening.leasing import Lease
from screening.outbox.models import Delivery, Endpoint, Letter, Sending, SendState
from screening.retrying import again_on_conflict
from screening.upserting import write_columns

AT_ONCE: Final = 200
DUE: Final = Q(due_at__isnull=True) | Q(due_at__lte=Now())
Row = TypeVar("Row", bound=Sending)


def due_deliveries() -> QuerySet[Delivery]:
    """Deliveries that may be tried now. An endpoint that rests, is off, or is being told something has none."""
    busy = Delivery.objects.filter(endpoint=OuterRef("endpoint"), lease_token__isnull=False)
    waiting = Delivery.objects.filter(
        DUE,
        state=SendState.WAITING,
        endpoint__disabled_at__isnull=True,
        endpoint__removed_at__isnull=True,
    )
    awake = Q(endpoint__resting_until__isnull=True) | Q(endpoint__resting_until__lte=Now())
    return waiting.filter(awake, ~Exists(busy))


def next_endpoint() -> UUID | None:
    """The endpoint whose delivery comes next; None if none is due. One that hangs holds up no other."""
    return due_deliveries().order_by("rank", "pk").values_list("endpoint_id", flat=True).first()


@again_on_conflict
@transaction.atomic
def claim_deliveries(*, endpoint_id: UUID, limit: int) -> tuple[Lease, list[Delivery]]:
    """Lease up to `limit` due deliveries of one endpoint, in the order of their rank.

    Under the lock of the endpoint: two hands that come at once would both find that nobody tells it anything.
    """
    free = Endpoint.objects.select_for_update(skip_locked=True, no_key=True).filter(pk=endpoint_id)
    if free.first() is None:
        return Lease(UUID(int=0), 0), []
    waiting = due_deliveries().filter(endpoint_id=endpoint_id).select_related("endpoint")
    return leasing.claim(waiting, limit=limit, seconds=settings.CONFIG.lease_seconds, state=SendState.LEASED)


def claim_letter() -> tuple[Lease, Letter | None]:
    """Lease the next letter that is due, if there is one."""
    waiting = Letter.objects.filter(DUE, state=SendState.WAITING).select_related("user")
    if not waiting.exists():  # asked every few seconds, and a claim takes the one write lock of SQLite
        return Lease(UUID(int=0), 0), None
    lease, rows = leasing.claim(waiting, limit=1, seconds=settings.CONFIG.lease_seconds, state=SendState.LEASED)
    return lease, rows[0] if rows else None


@again_on_conflict
def begin_delivery(lease: Lease, key: UUID) -> bool:
    """Count an attempt on an event that is held, before it is sent. Whether it is, and its endpoint was not removed."""
    with transaction.atomic():
        rows = leasing.held(Delivery, lease).filter(pk=key, endpoint__removed_at__isnull=True)
        return _begun(rows, lease)


@again_on_conflict
def begin_letter(lease: Lease, key: UUID) -> bool:
    """Count an attempt on a letter that is still held, before it is sent. Whether it is."""
    with transaction.atomic():
        return _begun(leasing.held(Letter, lease).filter(pk=key), lease)


def _begun(rows: QuerySet[Row], lease: Lease) -> bool:
    return bool(rows.update(computing=True, attempts=F("attempts") + 1, lease_until=leasing.until(lease.seconds)))


def release_deliveries(lease: Lease) -> int:
    """Give leased deliveries back at once. Counts no attempt."""
    return leasing.give_back(Delivery, lease, state=SendState.WAITING)


def release_letters(lease: Lease) -> int:
    """Give a leased letter back at once. Counts no attempt."""
    return leasing.give_back(Letter, lease, state=SendState.WAITING)


def reclaim_sendings() -> int:
    """Free deliveries and letters whose lease ran out; what ended a worker twice alone is given up. How many rows."""
    return _reclaim(Delivery) + _reclaim(Letter)


@again_on_conflict
@transaction.atomic
def _reclaim(model: type[Row]) -> int:
    rows = list(leasing.expired(model).order_by("pk").select_for_update(skip_locked=True)[:AT_ONCE])
    poison = leasing.reclaim(rows)
    for row in rows:
        row.state = SendState.DEAD if row in poison else SendState.WAITING
        row.problem = "worker_died" if row in poison else row.problem
    write_columns(rows, RECLAIMED)
    if poison:
        leasing.rows_of(model).filter(pk__in=[row.pk for row in poison]).update(done_at=Now())
    return len(rows)


RECLAIMED: Final = (
    *("state", "problem", "rank", "lease_token", "lease_until", "computing"),
    *("alone", "deaths", "attempts"),
)
