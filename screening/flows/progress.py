"""How far an upload is, how fast it goes and when it will probably be done. Reads only."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Count, Max, Min, QuerySet
from django.utils import timezone

from screening.results.models import PENDING, Screening, ScreeningState
from screening.uploads.models import PENDING_ITEMS, ItemState, Upload, UploadState

WINDOW: Final = timedelta(seconds=60)  # over which the present rate is measured
FALLBACK_RATE: Final = 10.0  # screenings a second, where nothing was measured yet
TELLING: Final = 50  # screenings of an upload from which the usual rate is taken
LOOK_BACK: Final = 5  # uploads that are asked for it


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where the files and screenings of an upload stand."""

    offered: int
    items: dict[str, int]  # by state; decoding counts as received, and the sum is `offered`
    screenings: dict[str, int]  # by state, those that this upload asked for
    images_per_second: float | None  # now; over the whole run once everything has its outcome
    estimated_end: datetime | None


def progress(upload: Upload) -> Progress:
    """Count the rows of an upload and estimate the rest."""
    items = _items(upload)
    rows = Screening.objects.filter(upload=upload)
    screenings = {
        str(state): number for state, number in rows.values_list("state").annotate(Count("pk")).order_by("state")
    }
    per_image = _screenings_per_image(upload, items, screenings)
    now = timezone.now()
    rate = _rate(rows, now, over_all=upload.state in {UploadState.FINISHED, UploadState.CANCELLED})
    left = _left(items, screenings, per_image)
    return Progress(
        offered=sum(items.values()),
        items=items,
        screenings=screenings,
        images_per_second=round(rate / per_image, 2) if rate else None,
        estimated_end=now + timedelta(seconds=left / rate) if rate and left else None,
    )


def _items(upload: Upload) -> dict[str, int]:
    """Count items by state, every state named."""
    counts = {str(state): 0 for state in ItemState if state != ItemState.DECODING}
    for state, number in upload.items.order_by().values_list("state").annotate(Count("pk")):
        counts[ItemState.RECEIVED if state == ItemState.DECODING else state] += number
    return counts


def _screenings_per_image(upload: Upload, items: Mapping[str, int], screenings: Mapping[str, int]) -> float:
    done = items[ItemState.ACCEPTED] + items[ItemState.DUPLICATE]
    if done and screenings:
        return max(1.0, sum(screenings.values()) / done)
    return max(1.0, float(len(upload.models_chosen)))


def _left(items: Mapping[str, int], screenings: Mapping[str, int], per_image: float) -> float:
    waiting = sum(screenings.get(state, 0) for state in PENDING)
    return waiting + per_image * sum(items.get(state, 0) for state in PENDING_ITEMS)


def _rate(rows: QuerySet[Screening], now: datetime, *, over_all: bool) -> float | None:
    """Screenings a second; None where too few are done to tell."""
    scored = rows.filter(state=ScreeningState.SCORED)
    if not over_all:
        scored = scored.filter(done_at__gt=now - WINDOW)
    span = scored.aggregate(number=Count("pk"), first=Min("done_at"), last=Max("done_at"))
    if span["number"] < 2:
        return None
    end = span["last"] if over_all else now
    seconds = (end - span["first"]).total_seconds()
    return float(span["number"] / seconds) if seconds > 0 else None


def usual_rate() -> float:
    """Screenings a second over the last upload that was large enough to tell, or a cautious guess."""
    lately = Upload.objects.filter(state=UploadState.FINISHED).order_by("-finished_at")[:LOOK_BACK]
    for upload in lately:
        rows = Screening.objects.filter(upload=upload)
        rate = _rate(rows, timezone.now(), over_all=True)
        if rate and rows.count() >= TELLING:
            return rate
    return FALLBACK_RATE
