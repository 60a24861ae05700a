"""What keeps the service going when something was lost: run every few seconds, by anyone, by two at once.

Nothing here decides about work; it brings rows back that dead workers held, and calls the living.
"""

from collections.abc import Callable
from typing import Final

import structlog
from django.db import DatabaseError, InterfaceError, connections

from screening.api.repeating import forget_old_requests
from screening.audit.actor import Actor
from screening.flows.acts import (
    cancelled_with_rows,
    finish_cancelling,
    finish_sealing,
    seal_idle_uploads,
    sealed_with_rows,
)
from screening.flows.again import ask_again
from screening.flows.correcting import corrections_asked
from screening.flows.reclaim import reclaim_expired
from screening.flows.scripted import answer_scripted
from screening.flows.settle import settle_all
from screening.leasing import note_refusal
from screening.outbox.leases import reclaim_sendings
from screening.outbox.outcomes import drop_old_sendings
from screening.queue import Call, publish
from screening.results.explanations import next_version
from screening.results.leases import lanes_with_work
from screening.retrying import database_is_away
from screening.uploads.models import Archive, ArchiveState, Item, ItemState
from workers.crew import PROGRESS
from workers.reporting import report
from workers.retention import RETENTION

log = structlog.get_logger(__name__)
RECONCILER: Final = Actor.service("reconcile")


def finish_cancellations() -> int:
    """Cancel the rows of cancelled uploads where that was cut off. How many uploads."""
    uploads = cancelled_with_rows()
    for upload_id in uploads:
        finish_cancelling(upload_id=upload_id, actor=RECONCILER)
    return len(uploads)


def finish_sealings() -> int:
    """Say of files that never came that they were not sent, where that was cut off. How many uploads."""
    uploads = sealed_with_rows()
    for upload_id in uploads:
        finish_sealing(upload_id=upload_id, actor=RECONCILER)
    return len(uploads)


def call_again() -> int:
    """Make the calls again for which rows wait. How many reached the broker."""
    made = 0
    if Archive.objects.filter(state=ArchiveState.RECEIVED).exists():
        made += publish(Call.EXPAND_NEXT_ARCHIVE)
    if Item.objects.filter(state=ItemState.RECEIVED).exists():
        made += publish(Call.INGEST_NEXT_BATCH)
    for lane in lanes_with_work():
        made += publish(Call.SCREEN_NEXT_BATCH, lane=str(lane))
    for image in corrections_asked():
        made += publish(Call.CORRECT_PICTURE, image=str(image))
    if next_version() is not None:
        made += publish(Call.EXPLAIN_NEXT_BATCH)
    return made


DUTIES: Final[tuple[tuple[str, Callable[[], int]], ...]] = (
    ("reclaimed", reclaim_expired),
    ("cancelled", finish_cancellations),
    ("sealed", seal_idle_uploads),
    ("not_sent", finish_sealings),
    ("asked", ask_again),
    ("scripted", answer_scripted),
    ("finished", settle_all),
    ("sent_again", reclaim_sendings),
    ("forgotten", drop_old_sendings),
    ("too_old", RETENTION),
    ("keys_forgotten", forget_old_requests),
    ("called", call_again),
)


def look_after(duties: tuple[tuple[str, Callable[[], int]], ...] = DUTIES) -> dict[str, int]:
    """Do every duty once. A duty that fails is logged and keeps none of the others from being done."""
    done: dict[str, int] = {}
    for name, duty in duties:
        PROGRESS.note()
        try:
            done[name] = int(duty() or 0)
        except Exception as problem:  # noqa: BLE001 - the reconciler's boundary: record, try again next turn
            report("duty_failed", problem, duty=name)
            if isinstance(problem, DatabaseError | InterfaceError) and database_is_away(problem):
                note_refusal()
            connections.close_all()
    if any(count for name, count in done.items() if name != "called"):
        log.info("looked_after", **done)
    return done
