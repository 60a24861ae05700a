"""Zips: their bytes come in parts, their members become items."""

import fcntl
import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from screening.audit.actor import Actor
from screening.errors import BadOffset, HashMismatch, IncompletePart, LimitExceeded, UploadClosed
from screening.faultpoints import reach
from screening.queue import Call, call_after_commit
from screening.retrying import again_on_conflict
from screening.store.objects import objects
from screening.uploads import storage
from screening.uploads.models import Archive, ArchiveState, Upload, UploadState
from screening.uploads.transitions import move_archive


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveProgress:
    """How much of an archive is stored."""

    archive: UUID
    offset: int  # bytes
    size: int  # bytes of the whole
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Where a part belongs: `length` bytes from `start` of an archive of `total` bytes."""

    start: int
    length: int
    total: int
    sha256: str = ""  # of the part, in hexadecimal; empty if the client gave none


def archive_offset(upload_id: UUID) -> ArchiveProgress | None:
    """Give the archive that is still arriving, if there is one: the next part starts at its offset."""
    archive = Archive.objects.filter(upload_id=upload_id, state=ArchiveState.RECEIVING).first()
    if archive is None or not _is_here(archive):
        return None
    return _progress(archive)


def _is_here(archive: Archive) -> bool:
    """Whether the parts that arrived lie on this host. With a store several may take parts, and each keeps its own."""
    if objects() is None:
        return True
    path = storage.incoming_path(archive.incoming)
    return path.is_file() and path.stat().st_size >= archive.offset


def _progress(archive: Archive) -> ArchiveProgress:
    return ArchiveProgress(archive=archive.pk, offset=archive.offset, size=archive.size, state=archive.state)


def receive_archive_part(*, upload_id: UUID, part: Part, parts: Iterable[bytes], actor: Actor) -> ArchiveProgress:
    """Append a part. One that starts at 0 begins anew; the last one hands the archive to the workers.

    A part counts once all of it is durable: cut off midway, nothing of it is kept.

    Raises:
        UploadClosed: the upload takes no more files.
        LimitExceeded: the archive is larger than is accepted.
        BadOffset: the part does not follow what is stored, or another one is being written.
        IncompletePart: the body is shorter or longer than announced.
        HashMismatch: the part's bytes are not those of its digest.
        StorageFull: no room.
        StoreAway: the last part is here, and the store does not take the whole. After each the offset is what it was.
    """
    _check_part(part)
    if Upload.objects.get(pk=upload_id).state != UploadState.OPEN:
        raise UploadClosed(_("This upload takes no more files."))
    archive = Archive.objects.filter(upload_id=upload_id, state=ArchiveState.RECEIVING).first()
    if part.start and archive is None:
        return _arrived_before(upload_id, part)
    follows = archive if part.start else None  # a part at 0 goes to a file of its own: failing, it spoils nothing
    name = follows.incoming if follows else storage.new_incoming()
    with _only_writer(name, gone_on_failure=follows is None) as file:
        if follows is not None:
            follows.refresh_from_db()  # the writer before us may have moved it
            _check_place(follows, part, name)
            if os.fstat(file).st_size < part.start:
                raise BadOffset(_("The parts before this one arrived at another host: start at 0."))
        _write(file, part, parts)
        reach("archive.part_written")
        if whole := part.start + part.length == part.total:
            storage.hand_over(name)
        archive, left_over = _advance(upload_id, name, part, actor)
    if whole:
        storage.handed_over(name)
    storage.drop_incoming(left_over)
    return _progress(archive)


def _check_part(part: Part) -> None:
    most = settings.CONFIG.limits.archive_bytes
    if part.total > most:
        raise LimitExceeded(
            _("The archive has %(total)s bytes; at most %(most)s are accepted.") % {"total": part.total, "most": most}
        )
    if part.length < 1 or part.start < 0 or part.start + part.length > part.total:
        raise BadOffset(_("The range of this part does not lie within the archive."))


def _check_place(archive: Archive, part: Part, name: str) -> None:
    if archive.state != ArchiveState.RECEIVING or archive.incoming != name:
        raise BadOffset(_("This archive has arrived already, or was begun anew."))
    if part.start != archive.offset or part.total != archive.size:
        raise BadOffset(
            _("%(offset)s of %(size)s bytes are stored.") % {"offset": archive.offset, "size": archive.size}
        )


def _arrived_before(upload_id: UUID, part: Part) -> ArchiveProgress:
    """Answer a last part that comes again because its answer was lost."""
    whole = Archive.objects.filter(upload_id=upload_id, size=part.total, offset=part.total)
    last = whole.exclude(state=ArchiveState.CANCELLED).order_by("-created_at").first()
    if last is None or part.start + part.length != part.total:
        raise BadOffset(_("No archive is arriving: start at 0."))
    return _progress(last)


@contextmanager
def _only_writer(name: str, *, gone_on_failure: bool) -> Iterator[int]:
    """Open an incoming file for one writer at a time. A new one vanishes if its first part fails."""
    path = storage.incoming_path(name)
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        storage.raise_if_full(error)
        raise
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield file
    except BlockingIOError as error:
        raise BadOffset(_("Another part is being written.")) from error
    except BaseException:
        if gone_on_failure:
            path.unlink(missing_ok=True)
        raise
    finally:
        os.close(file)


def _write(file: int, part: Part, parts: Iterable[bytes]) -> None:
    """Write the part at its place and make it durable; a failure leaves the file as long as it was."""
    try:
        os.ftruncate(file, part.start)
        os.lseek(file, part.start, os.SEEK_SET)
        digest, written = hashlib.sha256(), 0
        for piece in parts:
            written += len(piece)
            if written > part.length:
                raise IncompletePart(_("The part is longer than its range."))  # noqa: TRY301 - undone below like the rest
            digest.update(piece)
            _write_all(file, piece)
        if written < part.length:
            told = {"length": part.length, "written": written}
            raise IncompletePart(_("Of %(length)s bytes %(written)s arrived.") % told)  # noqa: TRY301 - as above
        if part.sha256 and digest.hexdigest() != part.sha256:
            raise HashMismatch(_("The part's bytes are not those of its digest."))  # noqa: TRY301 - as above
        os.fsync(file)
    except BaseException as error:
        os.ftruncate(file, part.start)
        if isinstance(error, OSError):
            storage.raise_if_full(error)
        raise


def _write_all(file: int, piece: bytes) -> None:
    view = memoryview(piece)
    while view:
        view = view[os.write(file, view) :]


@again_on_conflict
@transaction.atomic
def _advance(upload_id: UUID, name: str, part: Part, actor: Actor) -> tuple[Archive, list[str]]:
    """Count the part. The names of files that a new beginning left over are returned."""
    upload = Upload.objects.select_for_update().get(pk=upload_id)
    if upload.state != UploadState.OPEN:
        raise UploadClosed(_("This upload is %(state)s.") % {"state": _(upload.state)})
    archive = Archive.objects.select_for_update().filter(upload_id=upload_id, state=ArchiveState.RECEIVING).first()
    left_over: list[str] = []
    if part.start == 0:
        left_over = [archive.incoming] if archive else []
        archive = archive or Archive(upload_id=upload_id)
        archive.incoming, archive.size = name, part.total
    elif archive is None:
        raise BadOffset(_("No archive is arriving: start at 0."))
    else:
        _check_place(archive, part, name)
    archive.offset, archive.rank = part.start + part.length, timezone.now().timestamp()
    archive.save()
    if archive.offset == archive.size:
        move_archive(archive, to=ArchiveState.RECEIVED, site_id=upload.site_id, actor=actor)
        call_after_commit(Call.EXPAND_NEXT_ARCHIVE)
    upload.last_seen_at = timezone.now()
    upload.save(update_fields=["last_seen_at"])
    return archive, left_over
