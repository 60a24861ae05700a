"""Stored planes: read and checked against their hash; made again from the source when gone or rotted."""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
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
FROM_STORE: Final = 16  # planes that are fetched at once: most of it is waiting for an answer
_FETCHERS: Final = ThreadPoolExecutor(FROM_STORE, thread_name_prefix="planes")  # threads begin as they are needed


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

    From a store several are fetched at once. From a disk they are read one after the other: two at once gained a tenth
    of a millisecond for each, and cost the worker a hundred megabytes.

    Args:
        images: Of any sites.
        again: Whether another model may want them soon: they are remembered then, and looked for in memory.

    Raises:
        StoreAway: the store cannot be asked now.
    """
    one = _remembered if again else _plane
    shares = 1 if objects() is None else min(FROM_STORE, len(images))
    if shares < 2:
        return [one(image) for image in images]
    planes: list[bytes | None] = [None] * len(images)
    for first, share in enumerate(_FETCHERS.map(_each_by(one), (images[at::shares] for at in range(shares)))):
        planes[first::shares] = share
        PROGRESS.note()
    return planes


def _each_by(one: Callable[[Image], bytes | None]) -> Callable[[Sequence[Image]], list[bytes | None]]:
    return lambda images: [one(image) for image in images]


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
