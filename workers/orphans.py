"""Bytes that no row names: left by processes that died between writing a file and committing its row."""

import os
import shutil
import time
from collections.abc import Iterable, Iterator
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from screening.flows.blobs import drop_unneeded
from screening.retrying import again_on_conflict
from screening.uploads.models import PENDING_ARCHIVES, Archive, Item, ItemState
from screening.uploads.storage import PREPARING, drop_incoming, preparing_folder
from screening.users.models import Site

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
    swept = 0
    for batch in _batched(_older(Path(settings.INCOMING_ROOT), before)):
        names = [path.name for path in batch]
        known = set(Item.objects.filter(incoming__in=names).values_list("incoming", flat=True))
        pending = Archive.objects.filter(incoming__in=names, state__in=PENDING_ARCHIVES)
        known |= set(pending.values_list("incoming", flat=True))
        for path in batch:
            if path.name not in known:
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


def _batched(paths: Iterable[Path]) -> Iterator[list[Path]]:
    iterator = iter(paths)
    while batch := list(islice(iterator, AT_ONCE)):
        yield batch
