"""The only module that changes Upload.state, Item.state and Archive.state.

Upload:   open -> sealed -> finished -> sealed (retry, another model)
            +--------+--> cancelled
Item:     expected -> received <-> decoding -> accepted | duplicate | rejected | failed -> received (retry)
          expected -> duplicate | rejected | not_sent; anything not terminal -> cancelled
          duplicate -> not_sent | cancelled, where the file that it repeats never came
Archive:  receiving -> received <-> expanding -> expanded | rejected; anything before -> cancelled
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.utils import timezone

from screening.audit.actor import Actor
from screening.audit.models import ChainKind
from screening.audit.services import Draft, record
from screening.errors import IllegalTransition
from screening.leasing import FREE
from screening.outbox.announcing import announce_upload
from screening.uploads.models import TERMINAL_ITEMS, Archive, ArchiveState, Item, ItemState, Upload, UploadState
from screening.upserting import write_columns

_DONE = frozenset({ItemState.ACCEPTED, ItemState.DUPLICATE, ItemState.REJECTED, ItemState.FAILED, ItemState.CANCELLED})

UPLOAD_MOVES: Mapping[UploadState, frozenset[UploadState]] = {
    UploadState.OPEN: frozenset({UploadState.SEALED, UploadState.CANCELLED}),
    UploadState.SEALED: frozenset({UploadState.FINISHED, UploadState.CANCELLED}),
    UploadState.FINISHED: frozenset({UploadState.SEALED}),
    UploadState.CANCELLED: frozenset(),
}
ITEM_MOVES: Mapping[ItemState, frozenset[ItemState]] = {
    ItemState.EXPECTED: frozenset({ItemState.RECEIVED, ItemState.NOT_SENT}) | _DONE - {ItemState.ACCEPTED},
    ItemState.RECEIVED: frozenset({ItemState.DECODING, ItemState.CANCELLED}),
    ItemState.DECODING: _DONE | {ItemState.RECEIVED},
    ItemState.FAILED: frozenset({ItemState.RECEIVED}),
    ItemState.ACCEPTED: frozenset(),
    ItemState.DUPLICATE: frozenset({ItemState.NOT_SENT, ItemState.CANCELLED}),
    ItemState.REJECTED: frozenset(),
    ItemState.NOT_SENT: frozenset(),
    ItemState.CANCELLED: frozenset(),
}
ARCHIVE_MOVES: Mapping[ArchiveState, frozenset[ArchiveState]] = {
    ArchiveState.RECEIVING: frozenset({ArchiveState.RECEIVED, ArchiveState.REJECTED, ArchiveState.CANCELLED}),
    ArchiveState.RECEIVED: frozenset({ArchiveState.EXPANDING, ArchiveState.CANCELLED}),
    ArchiveState.EXPANDING: frozenset(
        {ArchiveState.RECEIVED, ArchiveState.EXPANDED, ArchiveState.REJECTED, ArchiveState.CANCELLED}
    ),
    ArchiveState.EXPANDED: frozenset(),
    ArchiveState.REJECTED: frozenset(),
    ArchiveState.CANCELLED: frozenset(),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemMove:
    """Where one item goes, and what is written with it."""

    item: Item
    to: ItemState
    code: str = ""
    study_id: UUID | None = None
    duplicate_of_id: UUID | None = None


def move_upload(upload: Upload, *, to: UploadState, actor: Actor, **detail: str | int) -> Upload:
    """Move a locked upload to a new state and write the audit event, both or neither.

    Raises:
        IllegalTransition: `to` cannot follow the current state.
    """
    before = UploadState(upload.state)
    if to not in UPLOAD_MOVES[before]:
        raise IllegalTransition(f"An upload that is {before} cannot become {to}.")
    upload.state = to
    if to == UploadState.SEALED and upload.sealed_at is None:
        upload.sealed_at = timezone.now()
    upload.finished_at = timezone.now() if to in {UploadState.FINISHED, UploadState.CANCELLED} else None
    upload.save(update_fields=["state", "sealed_at", "finished_at"])
    record(actor, [Draft(ChainKind.UPLOAD, upload.pk, upload.site_id, f"upload:{to}", {"before": before, **detail})])
    if to == UploadState.FINISHED:
        announce_upload(upload_id=upload.pk, site_id=upload.site_id, owner_id=upload.created_by_id, state=to)
    return upload


def move_items(moves: Sequence[ItemMove], *, site_id: UUID, actor: Actor) -> None:
    """Move locked items of one site to new states and write one audit event each, all or none.

    Raises:
        IllegalTransition: a move that cannot follow the item's state; nothing is written.
    """
    for move in moves:
        before = ItemState(move.item.state)
        if move.to not in ITEM_MOVES[before]:
            raise IllegalTransition(f"An item that is {before} cannot become {move.to}.")
    drafts = [_item_draft(move, site_id) for move in moves]
    for move in moves:
        _apply(move)
    write_columns([move.item for move in moves], ITEM_COLUMNS)
    record(actor, drafts)


RETURNED_COLUMNS = (
    *("state", "lease_token", "lease_until", "computing"),
    *("alone", "deaths", "attempts", "decodes", "rank"),
)
ITEM_COLUMNS = (
    "state",
    "code",
    "study_id",
    "duplicate_of",
    "incoming",
    "received_at",
    "done_at",
    "lease_token",
    "lease_until",
    "computing",
    "alone",
    "deaths",
    "decodes",
    "size",
    "rank",
)


def _apply(move: ItemMove) -> None:
    item = move.item
    item.state, item.code = move.to, move.code
    item.lease_token, item.lease_until, item.computing = FREE["lease_token"], FREE["lease_until"], FREE["computing"]
    item.study_id = move.study_id or item.study_id
    item.duplicate_of_id = move.duplicate_of_id or item.duplicate_of_id
    if move.to == ItemState.RECEIVED and item.received_at is None:
        item.received_at = timezone.now()
    item.done_at = timezone.now() if move.to in TERMINAL_ITEMS else None
    if move.to in TERMINAL_ITEMS and move.to != ItemState.FAILED:
        item.incoming = ""  # the raw bytes go with the outcome; those of a failed item wait for a retry


def _item_draft(move: ItemMove, site_id: UUID) -> Draft:
    action = "item:retried" if move.item.state == ItemState.FAILED else f"item:{move.to}"
    detail = {"item": str(move.item.pk), "sha256": move.item.sha256}
    if move.item.state == ItemState.DUPLICATE:
        detail["before"] = ItemState.DUPLICATE.value  # it corrects an outcome, it is no second one
    if move.code:
        detail["code"] = move.code
    if move.study_id:
        detail["study"] = str(move.study_id)
    return Draft(ChainKind.UPLOAD, move.item.upload_id, site_id, action, detail)


def return_items(items: Sequence[Item]) -> None:
    """Put leased items back among the received ones. Claims and returns are no audit events."""
    for item in items:
        item.state = ItemState.RECEIVED
        item.lease_token, item.lease_until, item.computing = None, None, False
    write_columns(items, RETURNED_COLUMNS)


def move_archive(archive: Archive, *, to: ArchiveState, site_id: UUID, actor: Actor, code: str = "") -> Archive:
    """Move a locked archive to a new state and write the audit event, both or neither.

    Raises:
        IllegalTransition: `to` cannot follow the current state.
    """
    before = ArchiveState(archive.state)
    if to not in ARCHIVE_MOVES[before]:
        raise IllegalTransition(f"An archive that is {before} cannot become {to}.")
    archive.state, archive.code = to, code
    archive.lease_token, archive.lease_until, archive.computing = None, None, False
    archive.save(update_fields=["state", "code", "lease_token", "lease_until", "computing", "offset"])
    detail = {"archive": str(archive.pk), "before": before, "code": code}
    record(actor, [Draft(ChainKind.UPLOAD, archive.upload_id, site_id, f"archive:{to}", detail)])
    return archive
