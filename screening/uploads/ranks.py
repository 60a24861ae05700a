"""In which order work is served: virtual time, so that one large upload does not starve the others.

A row's rank is its arrival plus one step for every earlier row of the same upload. A fresh
upload therefore starts beside, not behind, ten thousand rows that came before it. Urgent
rows start an hour ahead: a row that waited longer than that comes before them, and a site
has only so many of them in an hour.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db.models import Max, Q
from django.utils import timezone

from screening.uploads.models import Item, Priority, Upload

STEP: Final = 0.05  # seconds of virtual time a row: twenty pictures a second for each upload
HEAD_START: Final = 3600.0  # seconds that an urgent row starts ahead
URGENT_AN_HOUR: Final = 500  # rows of a site that get the head start
MARGIN: Final = 60.0  # seconds: clocks of hosts differ, and steps of two uploads add up


def next_ranks(upload: Upload, now: datetime) -> Iterator[float]:
    """Give a rank for each further row of an upload, endlessly. Reads twice, before the first one."""
    last = Item.objects.filter(upload=upload).aggregate(last=Max("rank"))["last"]
    ahead = HEAD_START if upload.priority == Priority.URGENT else 0.0
    left = _urgent_left(upload.site_id, now) if ahead else 0
    start = max(now.timestamp() - ahead, last + STEP if last is not None else 0.0)
    return _ranks(start, now.timestamp(), left if ahead else None)


def _ranks(start: float, now: float, left: int | None) -> Iterator[float]:
    rank, given = start, 0
    while True:
        if left is not None and given == left:  # the quota is used up: the rest queues like everybody's
            rank = max(rank, now)
        yield rank
        rank, given = rank + STEP, given + 1


def _urgent_left(site_id: UUID, now: datetime) -> int:
    recent = Item.objects.filter(
        upload__site_id=site_id, upload__priority=Priority.URGENT, created_at__gt=now - timedelta(hours=1)
    )
    return max(0, URGENT_AN_HOUR - recent.count())


def ahead_of_the_queue() -> float:
    """Give the rank below which a waiting row has its head start, or has waited nearly as long as that."""
    return timezone.now().timestamp() - HEAD_START + URGENT_AN_HOUR * STEP + MARGIN


def in_a_hurry(*, urgent: bool | None) -> Q:
    """Tell rows that are ahead of the queue from the others; None: any row."""
    if urgent is None:
        return Q()
    return Q(rank__lt=ahead_of_the_queue()) if urgent else Q(rank__gte=ahead_of_the_queue())


def on_arrival(item: Item) -> float:
    """Give an item's rank once its bytes are there: not before its arrival, a head start kept."""
    ahead = HEAD_START if item.rank < item.created_at.timestamp() - STEP else 0.0
    return max(item.rank, timezone.now().timestamp() - ahead)
