"""What came out lately, over windows that bound how much is looked at."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db.models import Count, Q

from screening.metrics.catalogue import (
    FAILURE_SECONDS,
    FLAG_SAMPLE,
    FLAG_SECONDS,
    HEAT_MAPS,
    INGEST,
    RATE_SECONDS,
    SCREENING,
    Sample,
)
from screening.results.leases import rows_of_a_lease
from screening.results.models import NOT_ASSESSED, Explanation, ExplanationState, Screening, ScreeningState
from screening.uploads.models import Item, ItemState

OUTCOMES: Final = (ScreeningState.SCORED, *NOT_ASSESSED)
NOT_TAKEN: Final = (ItemState.FAILED, ItemState.REJECTED)


@dataclass(slots=True)
class Batches:
    """Sums over the pictures of some batches. A picture carries the figures of its batch and its size."""

    pictures: int = 0
    batches: float = 0.0
    device_ms: float = 0.0
    load_ms: float = 0.0

    def add(self, count: int, timings: Mapping[str, float]) -> None:
        """Add `count` pictures of one batch; those of a model that could not be had carry no timings."""
        size = timings.get("batch", 0.0)
        if size < 1 or "model_ms" not in timings:
            return
        part = count / size  # less than one where others took over a part of the batch
        self.pictures += count
        self.batches += part
        self.device_ms += part * timings["model_ms"]
        self.load_ms += part * timings.get("load_ms", 0.0)


def last_minute(names: Mapping[UUID, str], active: set[UUID], now: datetime) -> Iterator[Sample]:
    """How fast each model brings pictures to outcomes, how full its batches are, and what a picture costs."""
    recent = Screening.objects.filter(
        state__in=OUTCOMES, model_version__in=names, done_at__gte=now - timedelta(seconds=RATE_SECONDS)
    )
    # All pictures of a batch carry the same timings: a minute at full speed is a few hundred groups.
    grouped = recent.order_by().values_list("model_version_id", "state", "timings").annotate(Count("pk"))
    outcomes: dict[tuple[UUID, str], int] = defaultdict(int)
    batches: dict[UUID, Batches] = defaultdict(Batches)
    for version, state, timings, count in grouped:
        outcomes[version, state] += count
        batches[version].add(count, timings)
    for version in sorted(active | set(batches), key=names.__getitem__):
        for state in OUTCOMES:
            rate = outcomes.get((version, state.value), 0) / RATE_SECONDS
            yield Sample("screening_screened_pictures_per_second", (names[version], state.value), rate)
        if batches[version].pictures:
            yield from _of_batches(names[version], batches[version])


def _of_batches(model: str, told: Batches) -> Iterator[Sample]:
    mean = told.pictures / told.batches
    yield Sample("screening_batch_mean_pictures", (model,), mean)
    yield Sample("screening_batch_fill_ratio", (model,), mean / rows_of_a_lease())
    yield Sample("screening_picture_device_seconds", (model,), told.device_ms / told.pictures / 1000)
    yield Sample("screening_picture_load_seconds", (model,), told.load_ms / told.pictures / 1000)


def unsuccessful(names: Mapping[UUID, str], now: datetime) -> Iterator[Sample]:
    """What workers rejected, gave up or did not assess in the last hour, by code."""
    since = now - timedelta(seconds=FAILURE_SECONDS)
    for state in NOT_TAKEN:  # one by one: each has its index
        files = Item.objects.filter(state=state, done_at__gte=since)
        for code, count in files.order_by().values_list("code").annotate(Count("pk")):
            yield Sample("screening_unsuccessful_rows", (INGEST, "", state.value, code), count)
    pictures = Screening.objects.filter(state__in=NOT_ASSESSED, model_version__in=names, done_at__gte=since)
    yield from _by_code(SCREENING, pictures.values_list("model_version_id", "state", "code"), names)
    maps = Explanation.objects.filter(state=ExplanationState.FAILED, model_version__in=names, done_at__gte=since)
    yield from _by_code(HEAT_MAPS, maps.values_list("model_version_id", "state", "code"), names)


def _by_code(lane: str, rows: Any, names: Mapping[UUID, str]) -> Iterator[Sample]:
    for version, state, code, count in rows.order_by().annotate(Count("pk")):
        yield Sample("screening_unsuccessful_rows", (lane, names[version], state, code), count)


def quarantined(names: Mapping[UUID, str], active: set[UUID]) -> Iterator[Sample]:
    """How many pictures are in quarantine now, however long ago they came there."""
    held = Screening.objects.filter(
        state=ScreeningState.QUARANTINED, model_version__in=names, done_at__isnull=False
    ).order_by()
    found = dict(held.values_list("model_version_id").annotate(Count("pk")))
    for version in sorted(active | set(found), key=names.__getitem__):
        yield Sample("screening_quarantined_pictures", (names[version],), found.get(version, 0))


def flagged(names: Mapping[UUID, str], active: set[UUID], now: datetime) -> Iterator[Sample]:
    """Which share of the newest results of a day each model flagged, and of how many."""
    since = now - timedelta(seconds=FLAG_SECONDS)
    for version in sorted(active, key=names.__getitem__):
        newest = Screening.objects.filter(state=ScreeningState.SCORED, model_version=version, done_at__gte=since)
        told = newest.order_by("-done_at")[:FLAG_SAMPLE].aggregate(
            results=Count("pk"), flags=Count("pk", filter=Q(flagged=True))
        )
        if told["results"]:
            yield Sample("screening_flagged_ratio", (names[version],), told["flags"] / told["results"])
        yield Sample("screening_flagged_sample_pictures", (names[version],), told["results"])
