"""Archives: a zip that arrived whole becomes items, every file in it one, also those that are refused."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Final
from zipfile import ZipInfo

import structlog
from django.conf import settings

from screening.errors import LeaseLost, StorageFull
from screening.faultpoints import reach
from screening.flows.receiving import Member, admit_members, finish_archive
from screening.leasing import Lease, begin
from screening.queue import Call, app
from screening.store.errors import StoreAway
from screening.uploads.leases import claim_archive, release_archives
from screening.uploads.models import Archive, Item
from screening.uploads.paths import PathRefused, clean_path, digest
from screening.uploads.storage import drop_incoming, flush_incoming, raw_file, store_incoming
from workers.crew import PROGRESS, Crew, Stop
from workers.keeper import keeping
from workers.reporting import milliseconds
from workers.zips import ArchiveRefused, Bounds, MemberRefused, Zip, member_name

log = structlog.get_logger(__name__)

CHUNK: Final = 100  # members in one transaction


@app.task(name=str(Call.EXPAND_NEXT_ARCHIVE))
def expand_next_archive() -> None:
    """Expand what waits. Safe to deliver twice or to die halfway."""
    CREW.call()


def expand_archive(stop: Stop) -> bool:
    """Lease one archive and turn its members into items. Whether there may be more to do at once."""
    lease, archive = claim_archive()
    if archive is None:
        return False
    reach("archive.claimed")
    with keeping(Archive, lease, [archive.upload_id]):
        begin(Archive, lease)
        try:
            _expand(lease, archive, stop)
        except LeaseLost:  # the upload was cancelled, or others took over while this process was frozen
            log.warning("lease_lost", rows=1)
        except StorageFull:  # no fault of the archive: what was admitted stays, the rest waits for room
            release_archives(lease)
            log.warning("archive_waits_for_room", archive=str(archive.pk), what_to_do="Make room for incoming files.")
            return False
        except StoreAway:  # the same: what was admitted stays
            release_archives(lease)
            log.warning("archive_waits_for_store", archive=str(archive.pk))
            return False
    return True


def _expand(lease: Lease, archive: Archive, stop: Stop) -> None:
    with raw_file(archive.incoming) as path:
        _expand_file(lease, archive, path, stop)


def _expand_file(lease: Lease, archive: Archive, path: Path, stop: Stop) -> None:
    limits = settings.CONFIG.limits
    bounds = Bounds(
        entries=limits.archive_entries, member_bytes=limits.file_bytes, total_bytes=limits.archive_expanded_bytes
    )
    try:
        opened = Zip(path, bounds)
    except ArchiveRefused as refusal:
        finish_archive(lease=lease, archive_id=archive.pk, code=refusal.code)
        return
    with opened:
        size, started = 0, time.perf_counter()
        members = _members(opened, _still_to_come(archive, opened.members), stop)
        while chunk := _stored(members):
            flush_incoming()
            admit_members(lease=lease, archive_id=archive.pk, members=chunk)
            size += len(chunk)
            reach("archive.admitted")
    if stop.is_set():
        release_archives(lease)  # what was admitted stays; another worker goes on behind it
        return
    finish_archive(lease=lease, archive_id=archive.pk)
    reach("archive.committed")
    log.info("batch_done", lane="archives", size=size, expand_ms=milliseconds(started))


def _stored(members: Iterator[Member]) -> list[Member]:
    """Unpack the next members; cut off midway, their bytes are deleted."""
    chunk: list[Member] = []
    try:
        for member in islice(members, CHUNK):
            chunk.append(member)  # noqa: PERF402 - what came before a failure is wanted
    except BaseException:
        drop_incoming(member.incoming for member in chunk)
        raise
    return chunk


def _still_to_come(archive: Archive, members: Sequence[ZipInfo]) -> list[ZipInfo]:
    """Leave out what an earlier try has admitted. A name that comes twice is looked at again: it is safe to."""
    admitted = set(Item.objects.filter(archive=archive).values_list("path_digest", flat=True))
    if not admitted:
        return list(members)
    names = Counter(member_name(info) for info in members)
    return [info for info in members if names[member_name(info)] > 1 or _key(info) not in admitted]


def _key(info: ZipInfo) -> str:
    try:
        return digest(clean_path(member_name(info)))
    except PathRefused:
        return ""


def _members(opened: Zip, infos: Sequence[ZipInfo], stop: Stop) -> Iterator[Member]:
    for info in infos:
        if stop.is_set():
            return
        PROGRESS.note()
        yield _member(opened, info)


def _member(opened: Zip, info: ZipInfo) -> Member:
    path = member_name(info)
    if not _key(info):  # its bytes are not wanted; the service finds the same reason for its path
        return Member(path=path, size=info.file_size)
    try:
        stored = store_incoming(_noting(opened.parts(info)))
    except MemberRefused as refusal:
        return Member(path=path, size=info.file_size, code=refusal.code)
    return Member(path=path, size=stored.size, sha256=stored.sha256, incoming=stored.name)


def _noting(parts: Iterator[bytes]) -> Iterator[bytes]:
    for part in parts:
        PROGRESS.note()
        yield part


CREW: Final = Crew("archives", expand_archive, poll=settings.CONFIG.poll_seconds)
