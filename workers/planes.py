"""Stored planes: read and checked against their hash; made again from the source when gone or rotted."""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextvars import copy_context
from pathlib import Path
from typing import Final

import structlog

from screening.errors import ScreeningError
from screening.store.objects import objects
from screening.studies.models import Image
from screening.uploads.kept import bytes_of
from screening.uploads.storage import blob_folder
from workers.crew import PROGRESS
from workers.decoders import rebuild
from workers.replacing import replace_file

log = structlog.get_logger(__name__)

REMEMBERED: Final = 384  # planes, of three leases: 100 MB
FROM_STORE: Final = 8  # planes that are fetched at once: most of it is waiting for an answer
_FETCHERS: Final = ThreadPoolExecutor(FROM_STORE, thread_name_prefix="planes")  # threads begin as they are needed
_REBUILDING: Final = threading.BoundedSemaphore(2)  # however many find their planes gone: each takes a decoder


class Latest:
    """Planes that were read lately, by their hash: the next model is about to see the same pictures."""

    def __init__(self, most: int = REMEMBERED) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._planes: OrderedDict[str, bytes] = OrderedDict()

    def find(self, sha256: str) -> bytes | None:
        """A plane of this hash, if it is one of the latest."""
        with self._lock:
            return self._planes.get(sha256)

    def keep(self, sha256: str, plane: bytes) -> None:
        """Remember a plane in place of the one that was read longest ago."""
        with self._lock:
            self._planes[sha256] = plane
            while len(self._planes) > self._most:
                self._planes.popitem(last=False)


LATEST: Final = Latest()


def load_planes(images: Sequence[Image], *, again: bool = False) -> list[bytes | None]:
    """The plane of each picture, or None where neither it nor its source can be had.

    From a store several are fetched at once, in the order in which leases ask; a single one waits for no others.

    Args:
        images: Of any sites.
        again: Whether another model may want them soon: they are remembered then, and looked for in memory.

    Raises:
        StoreAway: the store cannot be asked now.
    """
    one = _remembered if again else _plane
    if objects() is None or len(images) < 2:
        return [one(image) for image in images]
    return _fetched(one, images)


def _fetched(one: Callable[[Image], bytes | None], images: Sequence[Image]) -> list[bytes | None]:
    """Do the same in threads, which log what the calling one would. None of them runs any more when this ends."""
    asked = [_FETCHERS.submit(copy_context().run, one, image) for image in images]
    planes = []
    try:
        for plane in asked:
            planes.append(plane.result())
            PROGRESS.note()
    finally:
        for plane in asked:
            plane.cancel()
        wait(asked)
    return planes


def _remembered(image: Image) -> bytes | None:
    known = LATEST.find(image.plane_sha256)
    if known is not None:
        return known
    plane = _plane(image)
    if plane is not None:
        LATEST.keep(image.plane_sha256, plane)
    return plane


def _plane(image: Image) -> bytes | None:
    folder = blob_folder(image.site_id, image.sha256)
    path = folder / f"{image.frame}.plane"
    stored, there = bytes_of(path, image.plane_sha256)
    if stored is not None:
        return stored
    with _REBUILDING:
        again = rebuild(folder / image.source_name, image.frame, image.pipeline)
    if again is None or not _is(again, image):
        log.error("plane_lost", image=str(image.pk), what_to_do="Restore the blob from a backup, or purge the study.")
        return None
    log.warning("plane_made_again", image=str(image.pk), was="rotted" if there else "gone")
    _replace(path, again)
    return again


def _is(plane: bytes, image: Image) -> bool:
    return hashlib.sha256(plane).hexdigest() == image.plane_sha256


def _replace(path: Path, plane: bytes) -> None:
    """Keep a plane again. A full disk is no reason not to score."""
    try:
        replace_file(path, plane)
    except (OSError, ScreeningError) as problem:
        log.warning("plane_not_stored", reason=type(problem).__name__)
