"""Scores that are stored, study by study: what another operating point would have flagged.

One index range of one site, one model version and one period is read, and never more than `MOST` rows of it.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone

from ml.vocabulary import Modality
from screening.results.models import ModelVersion, Screening, ScreeningState, SeriesResult

MOST: Final = 20_000  # rows that a page reads
DAYS: Final = (7, 30, 90)


@dataclass(frozen=True, slots=True)
class Judged:
    """What a model version said about one study of the period."""

    study: UUID
    day: date
    score: float
    flagged: bool  # as it stands, under the operating point that applied


@dataclass(frozen=True, slots=True)
class History:
    """The judged studies of a period, and where it truly begins if it holds more than is read."""

    judged: tuple[Judged, ...]
    since: datetime
    until: datetime
    cut: bool
    scored_from: datetime  # the first score of the model here, if that came within the period; else its beginning

    @property
    def length(self) -> float:
        """Days over which flags were raised, at least one: from less no flags a day can be told."""
        return max((self.until - self.scored_from) / timedelta(days=1), 1.0)


@dataclass(frozen=True, slots=True)
class Day:
    """How many studies of one day were judged, and how many reach each of two operating points."""

    day: date
    studies: int
    present: int
    other: int


def history_of(*, site_id: UUID, version: ModelVersion, label: str, days: int) -> History:
    """The studies that a model version judged in the last days, by the day on which their last score came."""
    until = timezone.now()
    since = until - timedelta(days=days)
    columns = scored_since(site_id, version, since).values_list("study_id", "done_at", "scores", "flagged")[: MOST + 1]
    found = [(study, at, scores, flagged) for study, at, scores, flagged in columns if at is not None]
    cut = len(found) > MOST
    if cut:
        found, since = found[:MOST], found[MOST - 1][1]
    judged: dict[UUID, Judged] = {}
    for study, done_at, scores, flagged in found:
        known = judged.get(study)
        score = max(scores.get(label, 0.0), known.score if known else 0.0)
        day = known.day if known else done_at.date()  # the newest comes first
        judged[study] = Judged(study, day, score, flagged or bool(known and known.flagged))
    if version.modality == Modality.CT:
        judged |= _as_series(judged, version, label)
    scored_from = max(since, _first_score(site_id, version) or since)
    return History(tuple(judged.values()), since, until, cut, scored_from)


def _first_score(site_id: UUID, version: ModelVersion) -> datetime | None:
    """When a model version first scored anything at a site: the front of the same index."""
    scored = Screening.objects.filter(site_id=site_id, model_version=version, done_at__isnull=False)
    return scored.order_by("done_at").values_list("done_at", flat=True).first()


def scored_since(site_id: UUID, version: ModelVersion, since: datetime) -> QuerySet[Screening]:
    """Scores of a model version at a site, the newest first: one range of an index."""
    rows = Screening.objects.filter(site_id=site_id, model_version=version, done_at__gte=since)
    return rows.filter(state=ScreeningState.SCORED, image__superseded=False).order_by("-done_at")


def flags_of_series(studies: Collection[UUID], version: ModelVersion) -> dict[UUID, bool]:
    """Of studies whose slices count together: whether a series flags them."""
    found: dict[UUID, bool] = {}
    keys = list(studies)
    for start in range(0, len(keys), 500):
        rows = SeriesResult.objects.filter(study_id__in=keys[start : start + 500], model_version=version)
        for study, flagged in rows.values_list("study_id", "flagged"):
            found[study] = flagged or found.get(study, False)
    return found


def _as_series(judged: Mapping[UUID, Judged], version: ModelVersion, label: str) -> dict[UUID, Judged]:
    """Studies whose slices count together: by the highest of their series, not by a slice."""
    found: dict[UUID, Judged] = {}
    keys = list(judged)
    for start in range(0, len(keys), 500):
        rows = SeriesResult.objects.filter(study_id__in=keys[start : start + 500], model_version=version)
        for study, scores, flagged in rows.values_list("study_id", "scores", "flagged"):
            known = found.get(study)
            score = max(scores.get(label, 0.0), known.score if known else 0.0)
            found[study] = Judged(study, judged[study].day, score, flagged or bool(known and known.flagged))
    return found


def by_day(history: History, *, present: float, other: float) -> list[Day]:
    """Count the studies of each day, days without any included, the oldest first."""
    studies, at_present, at_other = Counter[date](), Counter[date](), Counter[date]()
    for one in history.judged:
        studies[one.day] += 1
        at_present[one.day] += one.score >= present
        at_other[one.day] += one.score >= other
    return [Day(day, studies[day], at_present[day], at_other[day]) for day in _days(history)]


def _days(history: History) -> Sequence[date]:
    first, last = history.since.date(), history.until.date()
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]
