"""Keep a lease alive while its batch is worked on, and no longer than its hand makes progress."""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Final
from uuid import UUID

import structlog
from django.db import DatabaseError, connections

from screening.leasing import Lease, Leased, renew
from screening.outbox.leases import release_deliveries, release_letters
from screening.outbox.models import Delivery, Letter
from screening.results.explanations import release_explanations
from screening.results.leases import release_batch
from screening.results.models import Explanation, Screening
from screening.uploads.leases import release_archives, release_items
from screening.uploads.models import Archive, Item
from workers.crew import PROGRESS

log = structlog.get_logger(__name__)

RELEASE: Final[dict[type[Leased], Callable[[Lease], int]]] = {
    Item: release_items,
    Archive: release_archives,
    Screening: release_batch,
    Explanation: release_explanations,
    Delivery: release_deliveries,
    Letter: release_letters,
}
STUCK_SECONDS: Final = 180.0  # a hand without progress for so long has its lease run out

_kept: dict[UUID, tuple[type[Leased], Lease]] = {}


@contextmanager
def keeping(model: type[Leased], lease: Lease, uploads: Iterable[UUID]) -> Iterator[None]:
    """Renew the lease three times in its span until the body ends, and name it in every line that is logged meanwhile.

    The lines of a batch carry its token as `lease` and the uploads of its rows as `uploads`, by which they meet the
    lines of the requests that brought them. A hand that hangs loses its rows: they are renewed only while it makes
    progress, so that another worker takes them over even if nobody kills this one.
    """
    done, owner = threading.Event(), threading.get_ident()
    keeper = threading.Thread(target=_renew, args=(model, lease, owner, done), name="keeper", daemon=True)
    _kept[lease.token] = (model, lease)
    keeper.start()
    try:
        with structlog.contextvars.bound_contextvars(
            lease=str(lease.token), uploads=sorted({str(upload) for upload in uploads})
        ):
            yield
    finally:
        _kept.pop(lease.token, None)
        done.set()
        keeper.join()


def give_back_all() -> int:
    """Give back whatever is still leased: this process ends before its hands do. How many rows."""
    return sum(RELEASE[model](lease) for model, lease in list(_kept.values()))


def _renew(model: type[Leased], lease: Lease, owner: int, done: threading.Event) -> None:
    told = log.bind(rows=model.__name__, lease=str(lease.token))  # a thread of its own carries no names of the batch
    try:
        while not done.wait(lease.seconds / 3):
            if PROGRESS.age(owner) > STUCK_SECONDS:
                told.error("lease_left_to_expire", stuck_seconds=STUCK_SECONDS)
                return
            try:
                renew(model, lease)
            except DatabaseError as problem:  # the next turn tries again; a lost lease is fenced at commit
                told.warning("lease_not_renewed", reason=type(problem).__name__)
                connections.close_all()
    finally:
        connections.close_all()
