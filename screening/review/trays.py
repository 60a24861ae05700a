"""The trays that readers work through: which studies lie in them, and in which order.

Oldest complete study first, since every study of a site is due the same time after it was
complete; the highest score of a flag-raising label only breaks ties. A page begins behind
the last study of the page before, so that answers given meanwhile skip or repeat nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from django.contrib.auth.models import AnonymousUser
from django.db.models import Exists, Min, OuterRef, Q, QuerySet
from django.utils.dateparse import parse_datetime

from screening.results.models import Screening, SeriesResult
from screening.studies.models import Study, StudyState
from screening.users.models import User
from screening.users.roles import READERS, sites_where

PAGE: Final = 25
COMPLETE: Final = (StudyState.READY, StudyState.INCOMPLETE, StudyState.REVIEWED)


class Tray(StrEnum):
    FLAGGED = "flagged"
    NOT_ASSESSED = "not_assessed"
    NOT_FLAGGED = "not_flagged"


class Answered(StrEnum):
    OPEN = "open"
    ANSWERED = "answered"
    ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What a reader asked to see of a tray."""

    tray: Tray = Tray.FLAGGED
    answered: Answered = Answered.OPEN
    state: str = ""
    upload: UUID | None = None
    model: UUID | None = None

    def as_query(self) -> dict[str, str]:
        """The filters as they stand in an address; those at rest are left out."""
        asked = {"answered": self.answered, "state": self.state, "upload": self.upload, "model": self.model}
        return {name: str(value) for name, value in asked.items() if value and value != Answered.OPEN}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a study stands in the order of a tray."""

    due: datetime
    top: float
    study: UUID

    @property
    def key(self) -> tuple[datetime, float, str]:
        return (self.due, -self.top, str(self.study))

    def __str__(self) -> str:
        return f"{self.due.isoformat()}~{self.top!r}~{self.study}"

    @classmethod
    def parse(cls, text: str) -> "Place | None":
        """Read a place from an address. Anything malformed is the beginning of the list."""
        try:
            due, top, study = text.split("~")
            moment = parse_datetime(due)
            return cls(moment, float(top), UUID(study)) if moment and moment.tzinfo else None
        except ValueError:
            return None


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a tray."""

    places: tuple[Place, ...]
    following: Place | None = field(default=None)  # the last place, if more studies follow it


def in_tray(user: User | AnonymousUser, filters: Filters) -> QuerySet[Study]:
    """Studies of the tray that the user may read and that pass the filters."""
    studies = Study.objects.filter(
        _membership(filters.tray),
        site__in=sites_where(user, READERS),
        state__in=COMPLETE,
        completed_at__isnull=False,
    )
    if filters.state:
        studies = studies.filter(state=filters.state)
    if filters.upload:
        studies = studies.filter(upload_id=filters.upload)
    if filters.model:
        screened = Screening.objects.filter(study=OuterRef("pk"), model_version_id=filters.model)
        series = SeriesResult.objects.filter(study=OuterRef("pk"), model_version_id=filters.model)
        if filters.tray == Tray.FLAGGED:
            screened, series = screened.filter(flagged=True), series.filter(flagged=True)
        studies = studies.filter(Exists(screened) | Exists(series))
    if filters.answered == Answered.OPEN:
        return studies.exclude(state=StudyState.REVIEWED)
    if filters.answered == Answered.ANSWERED:
        return studies.filter(state=StudyState.REVIEWED)
    return studies


def _membership(tray: Tray) -> Q:
    # A study can be flagged by one picture and not assessed in another: it lies in both trays.
    return {
        Tray.FLAGGED: Q(flagged=True),
        Tray.NOT_ASSESSED: Q(not_assessed=True),
        Tray.NOT_FLAGGED: Q(flagged=False, not_assessed=False),
    }[tray]


def page(studies: QuerySet[Study], *, after: Place | None, size: int = PAGE) -> Page:
    """The places that follow `after`, at most `size`.

    Only the groups of equal moments at both ends are read beyond the page: a moment is that
    of one commit, so such a group is as large as a batch.
    """
    ahead = studies.filter(completed_at__gt=after.due) if after else studies
    moments = ahead.order_by("completed_at").values_list("completed_at", flat=True)
    last = list(moments[size : size + 1])
    window = studies.filter(completed_at__gte=after.due) if after else studies
    if last:
        window = window.filter(completed_at__lte=last[0])
    places = sorted(_places(window), key=lambda place: place.key)
    if after:
        places = [place for place in places if place.key > after.key]
    shown = tuple(places[:size])
    return Page(shown, shown[-1] if len(places) > size else None)


def place_of(study: Study) -> Place | None:
    """Where a study stands, or None while it is not complete."""
    return next(iter(_places(Study.objects.filter(pk=study.pk, completed_at__isnull=False))), None)


def _places(studies: QuerySet[Study]) -> list[Place]:
    dues = dict(studies.values_list("pk", "completed_at"))
    tops = top_scores(list(dues))
    return [Place(due, tops.get(pk, 0.0), pk) for pk, due in dues.items() if due]


def top_scores(study_ids: Sequence[UUID]) -> dict[UUID, float]:
    """The highest score of a flag-raising label, for each study that has one."""
    tops: dict[UUID, float] = {}
    rows = Screening.objects.filter(study_id__in=study_ids, thresholds__isnull=False).exclude(scores={})
    for study_id, scores, thresholds in rows.values_list("study_id", "scores", "thresholds"):
        top = max((scores.get(label, 0.0) for label in thresholds), default=0.0)
        tops[study_id] = max(top, tops.get(study_id, 0.0))
    return tops


def counts(user: User | AnonymousUser) -> dict[str, int]:
    """How many unanswered studies lie in each tray."""
    return {tray.value: in_tray(user, Filters(tray=tray)).count() for tray in Tray}


def longest_wait_since(user: User | AnonymousUser, tray: Tray) -> datetime | None:
    """Since when the longest-waiting unanswered study of a tray has been complete."""
    found: datetime | None = in_tray(user, Filters(tray=tray)).aggregate(first=Min("completed_at"))["first"]
    return found
