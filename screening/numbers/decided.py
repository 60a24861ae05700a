"""What readers decided about studies of a period, beside what one model version said of them.

Read are the studies that became complete in the period and stand answered, by the shelves of the worklist: as many rows
as readers answered, and never more than `MOST`. docs/reading.md says which answers count for what.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from ml.vocabulary import Modality
from ml.weighting import Case
from screening.results.models import ModelVersion, Screening, ScreeningState, SeriesResult
from screening.review.models import OPENING, Answer, Review
from screening.studies.models import Sample, Study, StudyState
from screening.users.models import Site

MOST: Final = 20_000  # answers that a page reads
AT_ONCE: Final = 500  # studies in one question
COLUMNS: Final = (
    "study_id",
    "study__patient_id",
    "revision",
    "answer",
    "blinded",
    "study__flagged",
    "study__not_assessed",
    "created_at",
    "study__completed_at",
)
Scored = tuple[UUID, dict[str, float], dict[str, float]]  # study, scores, points
DECIDED: Final = (Answer.PRESENT, Answer.ABSENT)


@dataclass(frozen=True, slots=True)
class Said:
    """What a model version said about a study: its highest score of the label, and the point that applied."""

    score: float
    point: float

    @property
    def flagged(self) -> bool:
        return self.score >= self.point


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """The opening answer about a study: what a reader said before anybody else had."""

    study: UUID
    patient: str
    revision: int
    answer: str
    blinded: bool
    study_flagged: bool
    not_assessed: bool  # a picture of the study was
    said: Said
    waited: timedelta

    @property
    def decided(self) -> bool:
        return self.answer in DECIDED

    @property
    def present(self) -> bool:
        return self.answer == Answer.PRESENT


@dataclass(frozen=True, slots=True)
class Weighed:
    """A blinded opening answer of a drawn study, and the inverse of the chance with which it was drawn."""

    opinion: Opinion
    weight: float
    flagged: bool  # the stratum: whether the study was flagged when it was drawn from


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked: a finding, of what one model version says at one site, about studies complete since then."""

    site: Site
    version: ModelVersion
    label: str
    since: datetime


def last(days: int) -> datetime:
    return timezone.now() - timedelta(days=days)


def opinions_of(asked: Question, *, flagged_alone: bool = False) -> list[Opinion]:
    """The opening answers about studies that the version scored, of the latest revision that was answered.

    Args:
        asked: The question.
        flagged_alone: Read only studies that stand flagged, which are few.
    """
    answered = Review.objects.filter(
        study__site=asked.site,
        study__state=StudyState.REVIEWED,
        study__completed_at__gte=asked.since,
        finding=asked.label,
        kind__in=OPENING,
    )
    if flagged_alone:
        answered = answered.filter(study__flagged=True)
    rows = list(answered.order_by("study_id", "revision", "created_at").values_list(*COLUMNS)[:MOST])
    said = _said(asked, {row[0] for row in rows})
    found: dict[UUID, Opinion] = {}
    for study, patient, revision, answer, blinded, flagged, not_assessed, at, complete in rows:
        known = found.get(study)
        if study not in said or complete is None or (known is not None and known.revision == revision):
            continue
        found[study] = Opinion(
            study=study,
            patient=str(patient or study),  # nobody knows whose a plain picture is: it counts as a patient of its own
            revision=revision,
            answer=answer,
            blinded=blinded,
            study_flagged=flagged,
            not_assessed=not_assessed,
            said=said[study],
            waited=max(at - complete, timedelta(0)),
        )
    return list(found.values())


def _said(asked: Question, studies: Collection[UUID]) -> dict[UUID, Said]:
    told: dict[UUID, Said] = {}
    keys = list(studies)
    for start in range(0, len(keys), AT_ONCE):
        some = {"study__in": keys[start : start + AT_ONCE], "model_version": asked.version}
        series = (
            SeriesResult.objects.filter(**some)
            if asked.version.modality == Modality.CT
            else SeriesResult.objects.none()
        )
        told |= _highest(
            [*_pictures(some, set(series.values_list("study_id", "series_uid"))), *_whole(series)], asked.label
        )
    return told


def _whole(series: QuerySet[SeriesResult]) -> Iterable[Scored]:
    return series.filter(outcome=ScreeningState.SCORED).values_list("study_id", "scores", "thresholds")


def _pictures(some: Mapping[str, object], in_series: Collection[tuple[UUID, str]]) -> Iterator[Scored]:
    """What counts by itself: never a slice of a series, also where too few slices were scored for the series to."""
    rows = Screening.objects.filter(**some, state=ScreeningState.SCORED, image__superseded=False)
    for study, uid, scores, points in rows.values_list("study_id", "image__series_uid", "scores", "thresholds"):
        if (study, uid) not in in_series:
            yield study, scores, points


def _highest(rows: Iterable[Scored], label: str) -> dict[UUID, Said]:
    told: dict[UUID, Said] = {}
    for study, scores, points in rows:
        if label in scores and label in points:
            said = Said(scores[label], points[label])
            told[study] = max(said, told.get(study, said), key=lambda one: one.score)
    return told


def weighed(asked: Question, opinions: Iterable[Opinion]) -> list[Weighed]:
    """The blinded answers that were drawn, each with its weight; those that had no chance to be are left out.

    So are studies with a picture that was not assessed, which take part in no draw. Within a stratum (flagged or not)
    the weights are scaled to what was drawn there of what the version scored: those that are answered stand for those
    that are not answered yet.
    """
    blinded = [one for one in opinions if one.blinded and not one.not_assessed]
    draws = {
        (study, revision): (probability, drawn, flagged)
        for study, revision, probability, drawn, flagged in Sample.objects.filter(
            site=asked.site, study__state=StudyState.REVIEWED, study__completed_at__gte=asked.since
        ).values_list("study_id", "revision", "probability", "drawn", "flagged")[:MOST]
    }
    found = []
    for one in blinded:
        # Without a draw a blinded answer about a flagged study had to come: the whole site reads blinded.
        undrawn = (1.0 if one.study_flagged else 0.0, True, one.study_flagged)
        probability, drawn, flagged = draws.get((one.study, one.revision), undrawn)
        if drawn and probability:
            found.append(Weighed(one, 1 / probability, flagged))
    return _scaled(asked, found)


def _scaled(asked: Question, found: list[Weighed]) -> list[Weighed]:
    totals = {True: 0.0, False: 0.0}
    drawn = Sample.objects.filter(site=asked.site, drawn=True, created_at__gte=asked.since, study__not_assessed=False)
    drawn = drawn.filter(_scored(asked.version, OuterRef("study")))
    for flagged, probability, number in drawn.values_list("flagged", "probability").annotate(Count("pk")).order_by():
        totals[flagged] += number / probability
    if asked.site.blinded_since:
        since = max(asked.since, asked.site.blinded_since)
        due = Study.objects.filter(site=asked.site, flagged=True, not_assessed=False, completed_at__gte=since)
        totals[True] += due.filter(_scored(asked.version, OuterRef("pk"))).count()
    held = {stratum: sum(one.weight for one in found if one.flagged == stratum) for stratum in totals}
    return [replace(one, weight=one.weight * max(totals[one.flagged] / held[one.flagged], 1.0)) for one in found]


def _scored(version: ModelVersion, study: OuterRef) -> Q:
    """Whether the version has said something of a study: no other one is among the opinions that are weighed."""
    rows = {"study": study, "model_version": version}
    pictures = Screening.objects.filter(**rows, state=ScreeningState.SCORED, image__superseded=False)
    series = SeriesResult.objects.filter(**rows)
    if version.modality != Modality.CT:
        return Q(Exists(pictures))
    return Q(Exists(series.filter(outcome=ScreeningState.SCORED))) | Q(Exists(pictures), ~Exists(series))


def cases_of(answers: Iterable[Weighed], *, point: float | None = None) -> list[Case]:
    """The decided ones as cases: under the points that applied, or under another one."""
    return [
        Case(
            patient=one.opinion.patient,
            present=one.opinion.present,
            flagged=one.opinion.said.flagged if point is None else one.opinion.said.score >= point,
            score=one.opinion.said.score,
            weight=one.weight,
        )
        for one in answers
        if one.opinion.decided
    ]
