"""Keep a lease alive while its batch is worked on, and no longer than its hand makes progress."""

import errno
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Final
from uuid import UUID

import structlog
from django.db import DatabaseError, InterfaceError, connections

from screening.leasing import Lease, Leased, renew
from screening.outbox.leases import release_deliveries, release_letters
from screening.outbox.models import Delivery, Letter
from screening.results.explanations import release_explanations
from screening.results.leases import release_batch
from screening.results.models import Explanation, Screening
from screening.retrying import database_is_away
from screening.uploads.leases import release_archives, release_items
from screening.uploads.models import Archive, Item
from workers.crew import PROGRESS
from workers.release import of_other_release

log = structlog.get_logger(__name__)

RELEASE: Final[dict[type[Leased], Callable[[Lease], int]]] = {
    Item: release_items,
    Archive: release_archives,
    Screening: release_batch,
    Explanation: release_explanations,
    Delivery: release_deliveries,
    Letter: release_letters,
}
GIVE_BACK_SECONDS: Final = 0.5  # between two tries
RENEW_AGAIN_SECONDS: Final = 1.0  # after a try that failed: before anybody takes the lease for one of the dead
NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
STUCK_SECONDS: Final = 180.0  # a hand without progress for so long has its lease run out

_kept: dict[UUID, tuple[type[Leased], Lease]] = {}


@contextmanager
def keeping(model: type[Leased], lease: Lease, uploads: Iterable[UUID]) -> Iterator[None]:
    """Renew the lease three times in its span until the body ends, and name it in every line that is logged meanwhile.

    The lines of a batch carry its token as `lease` and the uploads of its rows as `uploads`, by which they meet the
    lines of the requests that brought them. A hand that hangs loses its rows: they are renewed only while it makes
    progress, so that another worker takes them over even if nobody kills this one. Where the body ends because the
    database does not answer or is of another release by now, or because a disk is full, the rows are given back as
    soon as the database takes them.
    """
    done, owner, owed = threading.Event(), threading.get_ident(), False
    keeper = threading.Thread(target=_renew, args=(model, lease, owner, done), name="keeper", daemon=True)
    _kept[lease.token] = (model, lease)
    keeper.start()
    try:
        with structlog.contextvars.bound_contextvars(
            lease=str(lease.token), uploads=sorted({str(upload) for upload in uploads})
        ):
            yield
    except (DatabaseError, InterfaceError, OSError) as error:
        if _passes(error):  # no fault of the rows, and this process lives
            owed = True
            threading.Thread(target=_give_back, args=(model, lease), name="giver", daemon=True).start()
        raise
    finally:
        if not owed:
            _kept.pop(lease.token, None)
        done.set()
        keeper.join()


def _passes(error: Exception) -> bool:
    if isinstance(error, OSError):
        return error.errno in NO_ROOM
    return database_is_away(error) or of_other_release()


def _give_back(model: type[Leased], lease: Lease) -> None:
    """Give rows back, uncounted, as soon as the database answers, unless the reconciler was first."""
    try:
        while lease.token in _kept:  # not given back by the end of this worker
            try:
                given = RELEASE[model](lease)
            except (DatabaseError, InterfaceError):
                connections.close_all()
                time.sleep(GIVE_BACK_SECONDS)
            else:
                log.info("lease_given_back", rows=given, lease=str(lease.token))
                return
    finally:
        _kept.pop(lease.token, None)
        connections.close_all()


def give_back_all(*, but: Lease | None = None) -> int:
    """Give back whatever is still leased, but one lease: this process ends before its hands do. How many rows.

    What the database does not take back now runs out.
    """
    given = 0
    for model, lease in list(_kept.values()):
        if lease != but:
            with suppress(DatabaseError, InterfaceError):
                given += RELEASE[model](lease)
    return given


def _renew(model: type[Leased], lease: Lease, owner: int, done: threading.Event) -> None:
    told = log.bind(rows=model.__name__, lease=str(lease.token))  # a thread of its own carries no names of the batch
    rest = lease.seconds / 3
    try:
        while not done.wait(rest):
            if PROGRESS.age(owner) > STUCK_SECONDS:
                told.error("lease_left_to_expire", stuck_seconds=STUCK_SECONDS)
                return
            try:
                renew(model, lease)
            except (
                DatabaseError,
                InterfaceError,
            ) as problem:  # the next turn tries again; a lost lease is fenced at commit
                told.warning("lease_not_renewed", reason=type(problem).__name__)
                connections.close_all()
                rest = min(RENEW_AGAIN_SECONDS, lease.seconds / 3)
            else:
                rest = lease.seconds / 3
    finally:
        connections.close_all()
