"""Filters that no index answers: studies are looked at in the order of the tray, no more of them than a page is worth.

What was looked through is said, and the next page goes on behind it: a rare kind of study is found without a scan of a
million rows in one request.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.db.models import Q

from screening.results.models import Screening, SeriesResult
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
    keys = [place.study for place in places if _within(place.top, filters)]
    if filters.modality or filters.reviewer:
        asked = Study.objects.filter(pk__in=keys)
        asked = asked.filter(modality=filters.modality) if filters.modality else asked
        if filters.reviewer:
            standing = Review.objects.filter(reader=filters.reviewer, superseded_by__isnull=True, study__in=keys)
            asked = asked.filter(pk__in=standing.values("study_id"))
        keys = list(asked.values_list("pk", flat=True))
    if filters.finding:
        keys = list(_about(keys, filters))
    kept = set(keys)
    return [place for place in places if place.study in kept]


def _within(top: float, filters: Filters) -> bool:
    low, high = filters.score_from, filters.score_to
    return (low is None or top >= low) and (high is None or top <= high)


def _about(keys: Sequence[UUID], filters: Filters) -> set[UUID]:
    """Studies that are asked about a finding; in the tray of the flagged those that it flags."""
    if filters.tray != Tray.FLAGGED:
        versions = Screening.objects.filter(study__in=keys).values_list("study_id", "model_version__flag_labels")
        return {study for study, labels in versions.distinct() if filters.finding in labels}
    flagged = Q(study__in=keys, flagged=True)
    series = SeriesResult.objects.filter(flagged).values_list("study_id", "scores", "thresholds")
    slices = series.values("study_id")
    single = Screening.objects.filter(flagged).exclude(study__in=slices)
    rows = [*series, *single.values_list("study_id", "scores", "thresholds")]
    return {
        study
        for study, scores, points in rows
        if filters.finding in points and scores.get(filters.finding, 0.0) >= points[filters.finding]
    }
