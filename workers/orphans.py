"""Bytes that no row names: left by processes that died between writing a file and committing its row."""

import os
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Final, TypeVar
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from screening.flows.blobs import drop_unneeded
from screening.retrying import again_on_conflict
from screening.store.cache import cache
from screening.store.objects import Objects, objects
from screening.uploads.kept import old_folders
from screening.uploads.models import PENDING_ARCHIVES, Archive, Item, ItemState
from screening.uploads.storage import INCOMING, PREPARING, drop_incoming, preparing_folder
from screening.users.models import Site

Found = TypeVar("Found")
DAY: Final = 24 * 3600.0  # far longer than any step takes from its bytes to its row
AT_ONCE: Final = 500


def sweep() -> int:
    """Delete bytes of more than a day that nothing names, and those of failed items past their days. How many."""
    before = time.time() - DAY
    return drop_failed_bytes() + sweep_incoming(before) + sweep_preparing(before) + sweep_blobs(before)


def drop_failed_bytes() -> int:
    """Delete the raw bytes of failed items that were kept for a retry as long as their site allows."""
    dropped = 0
    for site in Site.objects.all():
        names = _let_go(site)
        drop_incoming(names)
        dropped += len(names)
    return dropped


@again_on_conflict
@transaction.atomic
def _let_go(site: Site) -> list[str]:
    """Forget the bytes in the rows first: bytes without a row are swept, a row without its bytes is retried in vain."""
    past = timezone.now() - timedelta(days=site.failed_days)
    late = Item.objects.filter(upload__site=site, state=ItemState.FAILED, done_at__lt=past).exclude(incoming="")
    # Locked: one that somebody is retrying at this moment keeps its bytes.
    rows = late.select_for_update(skip_locked=True, of=("self",)).order_by("pk")
    names = dict(rows.values_list("pk", "incoming")[:AT_ONCE])
    Item.objects.filter(pk__in=names).update(incoming="")
    return list(names.values())


def sweep_incoming(before: float) -> int:
    """Delete raw bytes older than `before` (seconds since 1970) that no item and no archive needs."""
    if (store := objects()) is not None:
        return _sweep_raw_objects(store, before)
    swept = 0
    for batch in _batched(_older(Path(settings.INCOMING_ROOT), before)):
        known = _named([path.name for path in batch])
        for path in batch:
            if path.name not in known:
                path.unlink(missing_ok=True)
                swept += 1
    return swept


def _named(names: Sequence[str]) -> set[str]:
    """Of names under incoming/: those that an item or an archive needs."""
    pending = Archive.objects.filter(incoming__in=names, state__in=PENDING_ARCHIVES)
    known = set(Item.objects.filter(incoming__in=names).values_list("incoming", flat=True))
    return known | set(pending.values_list("incoming", flat=True))


def _sweep_raw_objects(store: Objects, before: float) -> int:
    swept, old = 0, (found.key.removeprefix(INCOMING) for found in store.listed(INCOMING) if found.at < before)
    for batch in _batched(old):
        known = _named(batch)
        gone = [name for name in batch if name not in known]
        drop_incoming(gone)
        swept += len(gone)
    return swept


def sweep_copies() -> int:
    """Where there is a store: delete copies on this machine that nobody reads, and what was cut off on its way."""
    if objects() is None:
        return 0
    before = time.time() - DAY
    swept = cache().trim() + sweep_preparing(before)
    for path in _older(Path(settings.INCOMING_ROOT), before - DAY):  # a zip that arrives may take its day
        path.unlink(missing_ok=True)
        swept += 1
    return swept


def sweep_preparing(before: float) -> int:
    """Delete folders that a decoder was filling when its worker died."""
    swept = 0
    for path in _older(preparing_folder(), before):
        shutil.rmtree(path, ignore_errors=True)
        swept += 1
    return swept


def sweep_blobs(before: float) -> int:
    """Delete kept files older than `before` that no picture of their site names."""
    swept = 0
    if (store := objects()) is not None:
        for old in _batched(old_folders(store, before)):
            for site_id in sorted({site for site, _ in old}):
                swept += drop_unneeded(site_id, [sha256 for site, sha256 in old if site == site_id])
        return swept
    for site in _folders(Path(settings.BLOB_ROOT)):
        if site.name == PREPARING:
            continue
        for batch in _batched(path for part in _folders(site) for path in _older(part, before)):
            swept += drop_unneeded(UUID(site.name), [path.name for path in batch])
    return swept


def _older(folder: Path, before: float) -> Iterator[Path]:
    if not folder.is_dir():
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.stat(follow_symlinks=False).st_mtime < before:
                yield Path(entry.path)


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []


def _batched(found: Iterable[Found]) -> Iterator[list[Found]]:
    iterator = iter(found)
    while batch := list(islice(iterator, AT_ONCE)):
        yield batch
