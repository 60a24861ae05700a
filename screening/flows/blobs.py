"""Kept files whose pictures are gone. Ingest may be bringing the same bytes back at this moment."""

import shutil
from collections.abc import Collection, Iterable
from typing import Final
from uuid import UUID

import structlog

from screening.store.errors import StoreAway
from screening.store.objects import Objects, objects
from screening.studies.models import Image
from screening.uploads import kept, storage
from screening.uploads.models import Item, ItemState

log = structlog.get_logger(__name__)

IN_HANDS: Final = (ItemState.RECEIVED, ItemState.DECODING)
AT_ONCE: Final = 500


def drop_unneeded(site_id: UUID, hashes: Iterable[str]) -> int:
    """Delete what is kept of these files where nothing needs it. How many folders went.

    Each is moved aside first: cut off midway, no half of a folder stays in its place. What a store that is away keeps
    is swept a day later.
    """
    wanted, gone = sorted(set(hashes)), 0
    for start in range(0, len(wanted), AT_ONCE):
        chunk = wanted[start : start + AT_ONCE]
        spared = needed(site_id, chunk)
        gone += sum(_drop(site_id, sha256) for sha256 in chunk if sha256 not in spared)
    return gone


def needed(site_id: UUID, hashes: Collection[str]) -> set[str]:
    """Of these hashes: those that a picture of the site names, or that a worker may be about to name."""
    # Items first: a commit between the two questions turns an item in hands into a picture, never back.
    items = Item.objects.filter(upload__site_id=site_id, sha256__in=hashes, state__in=IN_HANDS).order_by()
    coming = set(items.values_list("sha256", flat=True))
    images = Image.objects.filter(site_id=site_id, sha256__in=hashes).order_by()
    return coming | set(images.values_list("sha256", flat=True))


def _drop(site_id: UUID, sha256: str) -> bool:
    if (store := objects()) is not None:
        return _drop_objects(store, site_id, sha256)
    aside = storage.set_aside(site_id, sha256)
    if aside is None:  # somebody else swept or purged it
        return False
    if needed(site_id, [sha256]) and storage.put_back(aside, site_id, sha256):
        return False
    shutil.rmtree(aside, ignore_errors=True)
    return True


def _drop_objects(store: Objects, site_id: UUID, sha256: str) -> bool:
    """Delete from the store, which cannot move a folder aside: what needs it is asked again right before."""
    try:
        if needed(site_id, [sha256]):
            return False
        return kept.drop_folder(store, storage.blob_folder(site_id, sha256))
    except StoreAway:
        log.warning("kept_files_left_to_the_sweep", site=str(site_id))
        return False
