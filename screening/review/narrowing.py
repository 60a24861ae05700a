"""Filters that no index answers: studies are looked at in the order of the tray, no more of them than a page is worth.

What was looked through is said, and the next page goes on behind it: a rare kind of study is found without a scan of a
million rows in one request.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.db.models import Exists, OuterRef

from screening.results.models import Screening, ScreeningState, SeriesResult
from screening.review.models import Review
from screening.review.order import Place
from screening.review.shelves import PAGE, InTray, page
from screening.review.trays import Filters, Tray
from screening.studies.models import Study

STEP: Final = 400  # studies looked at with one round of questions
LOOKED: Final = 1200  # studies that one page looks through


@dataclass(frozen=True, slots=True)
class Found:
    """A page of a tray that a filter narrows."""

    places: tuple[Place, ...]
    following: Place | None
    looked: int = 0  # through so many studies, where a page ended before it was full


def find(tray: InTray, filters: Filters, *, after: Place | None, size: int = PAGE) -> Found:
    """The places behind `after` that pass all filters, at most `size`."""
    if not filters.narrow:
        plain = page(tray, after=after, size=size, newest=filters.newest)
        return Found(plain.places, plain.following)
    found: list[Place] = []
    looked = 0
    while True:
        seen = page(tray, after=after, size=STEP, newest=filters.newest)
        found += _passing(seen.places, filters)
        looked, after = looked + len(seen.places), seen.following
        if len(found) > size:
            return Found(tuple(found[:size]), found[size - 1])
        if after is None or looked >= LOOKED:
            return Found(tuple(found), after, looked if after else 0)


def _passing(places: Sequence[Place], filters: Filters) -> list[Place]:
    keys = [place.study for place in places]
    if filters.modality or filters.reviewer:
        asked = Study.objects.filter(pk__in=keys)
        asked = asked.filter(modality=filters.modality) if filters.modality else asked
        if filters.reviewer:
            standing = Review.objects.filter(reader=filters.reviewer, superseded_by__isnull=True, study__in=keys)
            asked = asked.filter(pk__in=standing.values("study_id"))
        keys = list(asked.values_list("pk", flat=True))
    if filters.finding and filters.tray != Tray.FLAGGED:
        keys = list(_asked_about(keys, filters))
    if filters.has_scores or (filters.finding and filters.tray == Tray.FLAGGED):
        keys = _scored(keys, filters)
    kept = set(keys)
    return [place for place in places if place.study in kept]


def _asked_about(keys: Sequence[UUID], filters: Filters) -> set[UUID]:
    """Studies that are asked about a finding, by the chosen model if one was."""
    rows = Screening.objects.filter(study__in=keys)
    rows = rows.filter(model_version=filters.model) if filters.model else rows
    versions = rows.values_list("study_id", "model_version__flag_labels")
    return {study for study, labels in versions.distinct() if filters.finding in labels}


def _scored(keys: Sequence[UUID], filters: Filters) -> list[UUID]:
    """Studies whose score lies within the limits; in the tray of the flagged those that the finding flags.

    The score is the one that decides: of the chosen finding and the chosen model, the highest where none was chosen. A
    series counts by its own and not by a slice. A study without such a score has none that could lie anywhere.
    """
    highest: dict[UUID, float] = {}
    flagged: set[UUID] = set()
    for study, scores, points in _told(keys, filters.model):
        for label in [filters.finding] if filters.finding else points:
            if label in scores and label in points:
                highest[study] = max(scores[label], highest.get(study, 0.0))
                if scores[label] >= points[label]:
                    flagged.add(study)
    found = [study for study, top in highest.items() if _within(top, filters)]
    return [study for study in found if study in flagged] if filters.tray == Tray.FLAGGED and filters.finding else found


def _told(keys: Sequence[UUID], model: UUID | None) -> Iterator[tuple[UUID, dict[str, float], dict[str, float]]]:
    """Scores and points of whole series, and of the pictures that are no slice of one."""
    some = {"study__in": keys, "model_version": model} if model else {"study__in": keys}
    columns = ("study_id", "scores", "thresholds")
    series = SeriesResult.objects.filter(**some)
    whole = series.filter(
        study=OuterRef("study"), model_version=OuterRef("model_version"), series_uid=OuterRef("image__series_uid")
    )
    single = Screening.objects.filter(~Exists(whole), **some, state=ScreeningState.SCORED, image__superseded=False)
    yield from series.filter(outcome=ScreeningState.SCORED).values_list(*columns)
    yield from single.values_list(*columns)


def _within(top: float, filters: Filters) -> bool:
    low, high = filters.score_from, filters.score_to
    return (low is None or top >= low) and (high is None or top <= high)
