"""Items and archives that ingest workers take."""

from collections.abc import Sequence

from django.conf import settings
from django.db.models import QuerySet

from screening import leasing
from screening.leasing import Lease
from screening.uploads.models import Archive, ArchiveState, Item, ItemState, Upload
from screening.uploads.ranks import in_a_hurry


def claim_items(limit: int, *, urgent: bool | None = None) -> tuple[Lease, list[Item]]:
    """Lease up to `limit` received items, across uploads, by rank; or of the urgent ones, or the others, alone."""
    waiting, seconds = _received(urgent=urgent), settings.CONFIG.lease_seconds
    lease, items = leasing.claim(waiting, limit=limit, seconds=seconds, state=ItemState.DECODING)
    bring_uploads(items)
    return lease, items


def bring_uploads(items: Sequence[Item]) -> None:
    """Give items their uploads and these their sites: each is read once, however many items are of it."""
    uploads = Upload.objects.select_related("site").in_bulk({item.upload_id for item in items})
    for item in items:
        item.upload = uploads[item.upload_id]


def urgent_items_wait() -> bool:
    """Whether there are urgent ones: asked without a lock, by a hand that seldom finds any."""
    return _received(urgent=True).exists()


def _received(*, urgent: bool | None) -> QuerySet[Item]:
    return Item.objects.filter(in_a_hurry(urgent=urgent), state=ItemState.RECEIVED)


def claim_archive() -> tuple[Lease, Archive | None]:
    """Lease the next archive that has arrived whole, if there is one."""
    waiting = Archive.objects.filter(state=ArchiveState.RECEIVED).select_related("upload")
    lease, rows = leasing.claim(waiting, limit=1, seconds=settings.CONFIG.lease_seconds, state=ArchiveState.EXPANDING)
    return lease, rows[0] if rows else None


def release_items(lease: Lease) -> int:
    """Give leased items back at once: a worker that is asked to stop. Counts no attempt."""
    return leasing.give_back(Item, lease, state=ItemState.RECEIVED)


def release_archives(lease: Lease) -> int:
    """Give a leased archive back at once."""
    return leasing.give_back(Archive, lease, state=ArchiveState.RECEIVED)
