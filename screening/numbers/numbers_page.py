"""What the page of numbers shows, for one site, one model version and one period."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from django.db.models import OuterRef, Subquery

from ml.vocabulary import Modality
from screening.numbers.decided import MOST, Question, last, opinions_of, weighed
from screening.numbers.figures import (
    Accuracy,
    Agreement,
    Compared,
    Ppv,
    Waits,
    accuracy,
    between_readers,
    changed_answers,
    compared,
    flags_of,
    ppv,
    waits,
    with_model,
)
from screening.numbers.history import flags_of_series, scored_since
from screening.numbers.shelves import DayCount, Tray, counted
from screening.results.models import ModelVersion
from screening.results.services import thresholds_of
from screening.review.models import NOT_WITHDRAWN, Cause, FurtherRead, Kind, ReadState, Review, Stage
from screening.studies.models import StudyState
from screening.users.models import Role, Site, User
from screening.users.roles import role_at

PERIODS: Final = (30, 90, 365)
YEAR: Final = 365


@dataclass(frozen=True, slots=True)
class FlagRate:
    """Of the studies that the version scored: how many it flagged."""

    studies: int
    flagged: int
    cut: bool

    @property
    def share(self) -> float | None:
        return self.flagged / self.studies if self.studies else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """Everything the page shows. What comes from models alone is None for a reader who reads blinded."""

    version: ModelVersion
    label: str
    days: int
    point: float
    trays: Sequence[Tray] | None
    by_day: Sequence[DayCount] | None
    flag_rate: FlagRate | None
    compared: Compared
    ppv: Ppv
    accuracy: Accuracy
    agreements: Sequence[Agreement]
    changed: tuple[int, list[tuple[str, str, int]]]
    waits: Waits
    waits_flagged: Waits


def numbers_of(*, site: Site, version: ModelVersion, label: str, days: int, user: User) -> Numbers:
    """Compute the page: some ten queries, each of one site and one period."""
    asked = Question(site=site, version=version, label=label, since=last(days))
    point = thresholds_of(site_ids=[site.pk], version=version)[site.pk][label]
    opinions = opinions_of(asked)
    answers = weighed(asked, opinions)
    of_year = opinions if days == YEAR else opinions_of(replace(asked, since=last(YEAR)), flagged_alone=True)
    hidden = reads_blinded(user, site)
    studies = None if hidden else counted(asked)
    return Numbers(
        version=version,
        label=label,
        days=days,
        point=point,
        trays=studies.trays if studies else None,
        by_day=studies.days if studies else None,
        flag_rate=None if hidden else _flag_rate(asked),
        compared=compared(opinions),
        ppv=ppv(flags_of(of_year, point=point), site=site.name, model=version.name, point=point),
        accuracy=accuracy(answers),
        agreements=[*between_readers(_random_pairs(asked)), *with_model(answers)],
        changed=changed_answers(_after_unblinding(asked)),
        waits=waits(opinions),
        waits_flagged=waits(opinions, lambda one: one.study_flagged),
    )


def reads_blinded(user: User, site: Site) -> bool:
    """Whether counts of flags would tell this reader about studies that they are still to read without them."""
    return site.blinded_since is not None and role_at(user, site.pk) == Role.REVIEWER


def _flag_rate(asked: Question) -> FlagRate:
    rows = scored_since(asked.site.pk, asked.version, asked.since).values_list("study_id", "flagged")
    found = list(rows[: MOST + 1])
    flags: dict[UUID, bool] = {}
    for study, flagged in found[:MOST]:
        flags[study] = flagged or flags.get(study, False)
    if asked.version.modality == Modality.CT:
        flags |= flags_of_series(flags, asked.version)
    return FlagRate(len(flags), sum(flags.values()), cut=len(found) > MOST)


def _random_pairs(asked: Question) -> list[tuple[str, str]]:
    """Opening answers of two readers, both blinded, on what was drawn at random for a second one. Slips are none."""
    reads = FurtherRead.objects.filter(
        site=asked.site,
        stage=Stage.SECOND,
        cause=Cause.RANDOM,
        state=ReadState.DONE,
        study__completed_at__gte=asked.since,
    ).values_list("study_id", "revision", "first_id", "done_by_id")[:MOST]
    wanted = list(reads)
    opening: dict[tuple[UUID, int, int], tuple[str, bool]] = {}
    for start in range(0, len(wanted), 500):
        keys = {study for study, *_ in wanted[start : start + 500]}
        given = Review.objects.filter(NOT_WITHDRAWN, study__in=keys, finding=asked.label).order_by("created_at")
        for study, revision, reader, answer, blinded in given.values_list(
            "study_id", "revision", "reader_id", "answer", "blinded"
        ):
            opening.setdefault((study, revision, reader), (answer, blinded))
    return list(_both(wanted, opening))


def _both(
    wanted: Sequence[tuple[UUID, int, int, int | None]], opening: dict[tuple[UUID, int, int], tuple[str, bool]]
) -> Iterator[tuple[str, str]]:
    for study, revision, first, second in wanted:
        one, other = opening.get((study, revision, first)), opening.get((study, revision, second or 0))
        if one and other and one[1] and other[1]:
            yield one[0], other[0]


def _after_unblinding(asked: Question) -> list[tuple[str, str]]:
    """What each reader said blinded of each study, and what they said last of the same pictures once they saw more.

    What was taken back is no change; the blinded answer stays the first one, taken back or not.
    """
    given = Review.objects.filter(
        NOT_WITHDRAWN,
        study__site=asked.site,
        study__state=StudyState.REVIEWED,
        study__completed_at__gte=asked.since,
        finding=asked.label,
        kind=Kind.AFTER_UNBLINDING,
    )
    same = {"study": OuterRef("study"), "revision": OuterRef("revision"), "reader": OuterRef("reader")}
    blinded = Review.objects.filter(**same, finding=asked.label, blinded=True).order_by("created_at").values("answer")
    rows = given.annotate(before=Subquery(blinded[:1])).order_by("created_at")
    last: dict[tuple[UUID, int, int], tuple[str | None, str]] = {}
    for study, revision, reader, before, after in rows.values_list(
        "study_id", "revision", "reader_id", "before", "answer"
    )[:MOST]:
        last[study, revision, reader] = (before, after)
    return [(before, after) for before, after in last.values() if before is not None]
