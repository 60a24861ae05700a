"""Take in the bytes of offered files: stored and verified first, then one transaction."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Self
from uuid import UUID

import structlog
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from ml.vocabulary import REFUSALS
from screening.audit.actor import Actor
from screening.errors import NotOffered, UploadClosed
from screening.faultpoints import reach
from screening.flows.archiving import ArchiveProgress, Part, archive_offset, receive_archive_part
from screening.flows.members import Member, admit_members, finish_archive
from screening.queue import Call, call_after_commit
from screening.retrying import again_on_conflict
from screening.uploads import storage
from screening.uploads.models import Item, ItemState, Upload, UploadState
from screening.uploads.paths import PathRefused, clean_path, digest
from screening.uploads.ranks import on_arrival
from screening.uploads.storage import Stored
from screening.uploads.transitions import ItemMove, move_items

__all__ = [
    "ArchiveProgress",
    "Arrived",
    "Member",
    "Part",
    "Received",
    "admit_members",
    "archive_offset",
    "finish_archive",
    "receive_archive_part",
    "receive_file",
    "receive_stored",
]
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """Bytes that lie under incoming/, and the path that the client says they have."""

    path: str
    stored: Stored


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """What became of one file that was sent, under the path that the client gave."""

    path: str
    state: str  # the item's state, or "rejected" for a refusal that left the item as it was
    code: str = ""
    message: str = ""
    what_to_do: str = ""
    item: UUID | None = None

    @classmethod
    def refused(cls, path: str, code: str, item: Item | None = None) -> Self:
        """A refusal; the item, if there is one, still waits for its bytes."""
        words = REFUSALS[code]
        return cls(
            path=path,
            state=ItemState.REJECTED,
            code=code,
            message=_(words.message),
            what_to_do=_(words.what_to_do),
            item=item.pk if item else None,
        )

    @classmethod
    def standing(cls, path: str, item: Item) -> Self:
        """What the item is already: nothing was needed."""
        if item.code:
            return cls.refused(path, item.code, item)
        state = ItemState.RECEIVED if item.state == ItemState.DECODING else item.state
        return cls(path=path, state=state, item=item.pk)

    @classmethod
    def not_offered(cls, path: str) -> Self:
        refusal = NotOffered(_("This path was not offered."))
        return cls(
            path=path,
            state=ItemState.REJECTED,
            code=refusal.code,
            message=refusal.what_happened,
            what_to_do=str(refusal.what_to_do),
        )


def receive_file(*, upload_id: UUID, path: str, parts: Iterable[bytes], actor: Actor) -> Received:
    """Store one offered file and verify it. Sending it twice is sending it once.

    Raises:
        UploadClosed: the upload takes no more files.
        StorageFull: no room. In both cases nothing is left behind.
    """
    stored = storage.store_incoming(parts)
    return receive_stored(upload_id=upload_id, files=[Arrived(path=path, stored=stored)], actor=actor)[0]


def receive_stored(*, upload_id: UUID, files: Sequence[Arrived], actor: Actor) -> list[Received]:
    """Give stored bytes to the items that they were announced for; bytes that no item needs are deleted.

    A refusal costs only its own file: bytes that differ from what was offered leave the item
    expected, so that it can be sent again.

    Raises:
        UploadClosed: the upload takes no more files; nothing is left behind.
    """
    names = {file.stored.name for file in files}
    try:
        storage.flush_incoming()
        reach("upload.stored")
        taken = _commit(upload_id, files, actor)
    except BaseException:
        storage.drop_incoming(names)
        raise
    reach("upload.committed")
    storage.drop_incoming(names - taken.names)
    log.info("files_received", upload=str(upload_id), files=len(taken.moves))
    return taken.answers


@dataclass(slots=True)
class _Taken:
    answers: list[Received] = field(default_factory=list)
    moves: list[ItemMove] = field(default_factory=list)
    names: set[str] = field(default_factory=set)


@again_on_conflict
@transaction.atomic
def _commit(upload_id: UUID, files: Sequence[Arrived], actor: Actor) -> _Taken:
    upload = Upload.objects.select_for_update().get(pk=upload_id)
    if upload.state != UploadState.OPEN:
        raise UploadClosed(_("This upload is %(state)s.") % {"state": _(upload.state)})
    digests = [_digest(file.path) for file in files]
    rows = Item.objects.select_for_update().filter(upload_id=upload_id, path_digest__in=[d for d in digests if d])
    items = {item.path_digest: item for item in rows.order_by("pk")}
    taken = _Taken()
    for file, key in zip(files, digests, strict=True):
        taken.answers.append(_take(file, items.get(key), taken) if key else Received.refused(file.path, "path_unsafe"))
    move_items(taken.moves, site_id=upload.site_id, actor=actor)
    upload.last_seen_at = timezone.now()
    upload.save(update_fields=["last_seen_at"])
    if taken.moves:
        call_after_commit(Call.INGEST_NEXT_BATCH)
    reach("upload.recorded")
    return taken


def _digest(path: str) -> str:
    """Give the digest of the path's item; empty where no item can have such a path."""
    try:
        return digest(clean_path(path))
    except PathRefused:
        return ""


def _take(file: Arrived, item: Item | None, taken: _Taken) -> Received:
    if item is None:
        return Received.not_offered(file.path)
    if any(move.item is item for move in taken.moves):  # the same path twice in one request
        return Received(path=file.path, state=ItemState.RECEIVED, item=item.pk)
    if item.state != ItemState.EXPECTED:
        return Received.standing(file.path, item)
    if (item.sha256, item.size) != (file.stored.sha256, file.stored.size):
        return Received.refused(file.path, "hash_mismatch", item)
    item.incoming, item.rank = file.stored.name, on_arrival(item)
    taken.moves.append(ItemMove(item=item, to=ItemState.RECEIVED))
    taken.names.add(file.stored.name)
    return Received(path=file.path, state=ItemState.RECEIVED, item=item.pk)
