"""Stored planes: read and checked against their hash; made again from the source when gone or rotted."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import structlog

from screening.errors import ScreeningError
from screening.studies.models import Image
from screening.uploads.kept import bytes_of
from screening.uploads.storage import blob_folder
from workers.decoders import rebuild
from workers.replacing import replace_file

log = structlog.get_logger(__name__)


def load_planes(images: Sequence[Image]) -> list[bytes | None]:
    """The plane of each picture, or None where neither it nor its source can be had."""
    return [_plane(image) for image in images]


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
