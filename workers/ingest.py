"""Ingest: received files become pictures. Blobs are in their places before the rows that name them."""

import os
import secrets
import shutil
import time
from collections import defaultdict
from collections.abc import Container, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final
from uuid import UUID

import structlog
from django.conf import settings

from screening.audit.actor import Actor
from screening.errors import LeaseLost
from screening.faultpoints import reach
from screening.flows.ingested import known_files, record_ingested, record_known
from screening.leasing import Lease, begin
from screening.queue import Call, app
from screening.store.errors import StoreAway
from screening.store.objects import objects
from screening.studies.values import ItemOutcome
from screening.uploads.leases import claim_items, release_items, urgent_items_wait
from screening.uploads.models import Item, ItemState
from screening.uploads.storage import keep_blob, preparing_folder
from screening.users.models import Site
from workers.crew import PROGRESS, Crew, Stop
from workers.decoders import decode
from workers.keeper import keeping
from workers.reporting import milliseconds

log = structlog.get_logger(__name__)

INGEST: Final = Actor.service("ingest")
CHUNK: Final = 64  # files in one transaction
URGENT_CHUNK: Final = 8  # of urgent files: they are not to wait for each other's commit
FLUSH_SECONDS: Final = 1.0  # of decoding, after which what is done is committed: slow files hold up nobody


@dataclass(frozen=True, slots=True)
class Prepared:
    """What became of one file, and the folder of what is kept of it."""

    item: Item
    outcome: ItemOutcome
    folder: Path


@app.task(name=str(Call.INGEST_NEXT_BATCH))
def ingest_next_batch() -> None:
    """Ingest what waits. Safe to deliver twice or to die halfway."""
    EXPRESS.call()
    CREW.call()


def ingest_urgent(stop: Stop) -> bool:
    """The step of the hand that is kept free for urgent files: it never has a chunk of others to finish first."""
    return urgent_items_wait() and _ingest_some(stop, min(URGENT_CHUNK, _share()), urgent=True)


def ingest_chunk(stop: Stop) -> bool:
    """Lease some received files and bring each to an outcome; urgent ones by themselves. Whether there were any."""
    return ingest_urgent(stop) or _ingest_some(stop, _share(), urgent=False)


def _ingest_some(stop: Stop, most: int, *, urgent: bool) -> bool:
    lease, items = claim_items(most, urgent=urgent)
    if not items:
        return False
    reach("ingest.claimed")
    with keeping(Item, lease, (item.upload_id for item in items)):
        try:
            _ingest(lease, items, stop)
        except LeaseLost:  # others took the files over while this process was frozen or cut off
            log.warning("lease_lost", rows=len(items))
        except StoreAway as away:  # no fault of the files: what is committed stays, the rest waits
            release_items(lease)
            log.warning("files_wait_for_store", rows=len(items), code=away.code)
            return False
        if stop.is_set():
            release_items(lease)  # what is left goes to others at once, and counts no attempt
    return True


def _share() -> int:
    """A chunk, or less when there is less: few files are spread over the hands."""
    waiting = Item.objects.filter(state=ItemState.RECEIVED)[: CHUNK * 4].count()
    return min(CHUNK, max(1, waiting // 2))


def _ingest(lease: Lease, items: Sequence[Item], stop: Stop) -> None:
    held = known_files(items)
    known = {item.pk for item in items if (item.upload.site_id, item.sha256) in held}
    if known:
        started = time.perf_counter()
        record_known(lease=lease, item_ids=sorted(known), actor=INGEST)
        log.info("batch_done", lane="ingest", size=len(known), known=True, commit_ms=milliseconds(started))
    repeats: dict[tuple[object, str], list[Item]] = defaultdict(list)
    for item in items:
        if item.pk not in known:
            repeats[item.upload.site_id, item.sha256].append(item)
    if not repeats:
        return
    begin(Item, lease)
    reach("ingest.begun")
    started = time.perf_counter()
    with closing(_flushed(_decoded([same[0] for same in repeats.values()], stop))) as batches:
        for prepared in batches:
            decode_ms, started = milliseconds(started), time.perf_counter()
            size = _commit(lease, prepared, repeats)
            commit_ms, started = milliseconds(started), time.perf_counter()
            log.info("batch_done", lane="ingest", size=size, known=False, decode_ms=decode_ms, commit_ms=commit_ms)


def _decoded(items: Iterable[Item], stop: Stop) -> Iterator[Prepared]:
    for item in items:
        if stop.is_set():
            return
        PROGRESS.note()
        folder = _preparing()
        try:
            outcome = decode(item, folder)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        reach("ingest.decoded")
        if stop.is_set() and outcome.retryable:  # its decoder was ended with this worker: no fault of the file
            shutil.rmtree(folder, ignore_errors=True)
            return
        yield Prepared(item, outcome, folder)


def _flushed(decoded: Iterable[Prepared]) -> Generator[list[Prepared], None, None]:
    """Gather until the time is up. What is gathered and not taken, or could not be kept, leaves nothing behind."""
    gathered: list[Prepared] = []
    started = time.monotonic()
    try:
        for prepared in decoded:
            gathered.append(prepared)
            if time.monotonic() - started > FLUSH_SECONDS:
                yield gathered
                gathered, started = [], time.monotonic()
        if gathered:
            yield gathered
    except BaseException:  # the end of whoever takes them included
        for prepared in gathered:
            shutil.rmtree(prepared.folder, ignore_errors=True)
        raise


def _commit(lease: Lease, prepared: Sequence[Prepared], repeats: dict[tuple[object, str], list[Item]]) -> int:
    """Keep what was decoded and write what became of the files. How many files."""
    outcomes = []
    for one in _unless_overtaken(prepared):
        PROGRESS.note()
        _keep(one)
        same = repeats[one.item.upload.site_id, one.item.sha256]
        outcomes += [replace(one.outcome, item_id=item.pk) for item in same]
    reach("ingest.blobs_kept")
    record_ingested(lease=lease, outcomes=outcomes, actor=INGEST)
    reach("ingest.committed")
    return len(outcomes)


def _unless_overtaken(prepared: Sequence[Prepared]) -> list[Prepared]:
    """Drop what was decoded under another policy, or of bytes that the site holds by now.

    What is kept of a picture must be what its row names, masked or not. The item becomes a duplicate, or
    is decoded again.
    """
    sites = {one.item.upload.site_id for one in prepared}
    masking = dict(Site.objects.filter(pk__in=sites).values_list("pk", "mask_text"))
    held = known_files([one.item for one in prepared])
    return [
        replace(one, outcome=ItemOutcome(item_id=one.item.pk)) if _stale(one, masking, held) else one
        for one in prepared
    ]


def _stale(prepared: Prepared, masking: Mapping[UUID, bool], held: Container[tuple[UUID, str]]) -> bool:
    upload = prepared.item.upload
    changed = upload.site.mask_text != masking[upload.site_id]
    return prepared.outcome.file is not None and (changed or (upload.site_id, prepared.item.sha256) in held)


def _keep(prepared: Prepared) -> None:
    file = prepared.outcome.file
    if file is None:
        shutil.rmtree(prepared.folder, ignore_errors=True)
        return
    if objects() is not None:  # durable once it is there
        keep_blob(prepared.folder, prepared.item.upload.site_id, prepared.item.sha256)
        reach("ingest.moved")
        return
    # The raw bytes are deleted after the commit, so the source must survive a loss of power by then.
    # Previews and planes can be made again from it.
    _sync(prepared.folder / file.source_name)
    place = keep_blob(prepared.folder, prepared.item.upload.site_id, prepared.item.sha256)
    reach("ingest.moved")
    _sync(place.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _preparing() -> Path:
    folder = preparing_folder() / secrets.token_hex(16)
    folder.mkdir(parents=True, mode=0o700)
    return folder


CREW: Final = Crew("ingest", ingest_chunk, poll=settings.CONFIG.poll_seconds)
EXPRESS: Final = Crew("ingest-urgent", ingest_urgent, poll=settings.CONFIG.poll_seconds)
