"""The trays that readers work through: which studies lie in them, and in which order.

Oldest complete study first, since every study of a site is due the same time after it was
complete; the highest score of a flag-raising label only breaks ties. A page begins behind
the last study of the page before, so that answers given meanwhile skip or repeat nothing.

A tray is read shelf by shelf: the studies of one site in one state, which an index of the tray
holds in their order. A page takes the front of each, whatever lies behind it: a page of a site
with a million studies reads as many rows as one of a site with a hundred.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from itertools import product
from typing import Final
from uuid import UUID

from django.contrib.auth.models import AnonymousUser
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.dateparse import parse_datetime

from screening.results.models import Screening, SeriesResult
from screening.studies.models import Study, StudyState
from screening.users.models import User
from screening.users.roles import READERS, sites_where

PAGE: Final = 25
COUNTED: Final = 1000  # studies of a tray; of more it is said that there are more
FEW: Final = 3000  # screenings of a model, up to which all its studies are read for a page
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


@dataclass(frozen=True, slots=True)
class InTray:
    """Studies of a tray, and the shelves they lie on, or the few there are with their moments."""

    studies: QuerySet[Study]
    shelves: tuple[QuerySet[Study], ...] = ()
    few: dict[UUID, datetime] | None = None

    def without(self, study: UUID) -> "InTray":
        few = None if self.few is None else {pk: moment for pk, moment in self.few.items() if pk != study}
        return InTray(self.studies.exclude(pk=study), tuple(shelf.exclude(pk=study) for shelf in self.shelves), few)

    def front(self, after: Place | None, size: int) -> list[datetime]:
        """The first moments of the tray, or the first behind a place."""
        if self.few is not None:
            moments = [moment for moment in self.few.values() if after is None or moment > after.due]
        else:
            moments = [moment for shelf in self.shelves for moment in _front(shelf, after, size)]
        return sorted(moments)[:size]

    def between(self, first: datetime | None, last: datetime | None) -> dict[UUID, datetime]:
        """The studies from one moment to another, both included."""
        if self.few is not None:
            inside = (first or datetime.min.replace(tzinfo=UTC), last or datetime.max.replace(tzinfo=UTC))
            return {pk: moment for pk, moment in self.few.items() if inside[0] <= moment <= inside[1]}
        studies = self.studies.filter(completed_at__gte=first) if first else self.studies
        return _dues(studies.filter(completed_at__lte=last) if last else studies)


def in_tray(user: User | AnonymousUser, filters: Filters) -> InTray:
    """Studies of the tray that the user may read and that pass the filters."""
    return _in_tray(_sites(user), filters)


def _sites(user: User | AnonymousUser) -> list[UUID]:
    return list(sites_where(user, READERS).values_list("pk", flat=True))


def _in_tray(sites: Sequence[UUID], filters: Filters) -> InTray:
    states = [state for state in _states(filters.answered) if filters.state in {"", state}]
    studies = Study.objects.filter(_membership(filters.tray), completed_at__isnull=False)
    if filters.upload:
        studies = studies.filter(upload_id=filters.upload)
    found = studies.filter(site__in=sites, state__in=states)
    if filters.model:
        looked = _looked(filters.model, flagged=filters.tray == Tray.FLAGGED)
        found, studies = found.filter(looked), studies.filter(looked)
        rows = Screening.objects.filter(model_version_id=filters.model, site__in=sites).order_by()
        if rows[: FEW + 1].count() <= FEW:  # all that the model saw is read sooner than a page of it is found
            return InTray(found, few=_dues(found.filter(pk__in=rows.values("study_id"))))
    shelves = (studies.filter(site_id=site, state=state) for site, state in product(sites, states))
    return InTray(found, tuple(shelves))


def _states(answered: Answered) -> tuple[StudyState, ...]:
    return {
        Answered.OPEN: (StudyState.READY, StudyState.INCOMPLETE),
        Answered.ANSWERED: (StudyState.REVIEWED,),
        Answered.ALL: COMPLETE,
    }[answered]


def _looked(model: UUID, *, flagged: bool) -> Exists:
    """Whether a model looked at a study, or flagged it: a picture of it, or a series, of which it saw the pictures."""
    rows = Screening.objects.filter(model_version_id=model, study=OuterRef("pk"))
    if flagged:
        series = SeriesResult.objects.filter(study=OuterRef("study"), model_version_id=model, flagged=True)
        rows = rows.filter(Q(flagged=True) | Exists(series))
    return Exists(rows)


def _membership(tray: Tray) -> Q:
    # A study can be flagged by one picture and not assessed in another: it lies in both trays.
    return {
        Tray.FLAGGED: Q(flagged=True),
        Tray.NOT_ASSESSED: Q(not_assessed=True),
        Tray.NOT_FLAGGED: Q(flagged=False, not_assessed=False),
    }[tray]


def page(tray: InTray, *, after: Place | None, size: int = PAGE) -> Page:
    """The places that follow `after`, at most `size`.

    Only the groups of equal moments at both ends are read beyond the page: a moment is that
    of one commit, so such a group is as large as a batch.
    """
    last = tray.front(after, size + 1)[size:]
    places = _places(tray.between(after.due if after else None, last[0] if last else None))
    if after:
        places = [place for place in places if place.key > after.key]
    shown = tuple(places[:size])
    return Page(shown, shown[-1] if len(places) > size else None)


def _front(shelf: QuerySet[Study], after: Place | None, size: int) -> list[datetime]:
    """The first moments of a shelf, or the first behind a place."""
    ahead = shelf.filter(completed_at__gt=after.due) if after else shelf
    moments = ahead.order_by("completed_at").values_list("completed_at", flat=True)[:size]
    return [moment for moment in moments if moment]


def place_of(study: Study) -> Place | None:
    """Where a study stands, or None while it is not complete."""
    return next(iter(_places(_dues(Study.objects.filter(pk=study.pk)))), None)


def _dues(studies: QuerySet[Study]) -> dict[UUID, datetime]:
    rows = studies.order_by().values_list("pk", "completed_at")
    return {pk: moment for pk, moment in rows if moment}


def _places(dues: Mapping[UUID, datetime]) -> list[Place]:
    tops = top_scores(list(dues))
    return sorted((Place(due, tops.get(pk, 0.0), pk) for pk, due in dues.items()), key=lambda place: place.key)


def top_scores(study_ids: Sequence[UUID]) -> dict[UUID, float]:
    """The highest score of a flag-raising label, for each study that has one."""
    tops: dict[UUID, float] = {}
    rows = Screening.objects.filter(study_id__in=study_ids, thresholds__isnull=False).exclude(scores={})
    for study_id, scores, thresholds in rows.values_list("study_id", "scores", "thresholds"):
        top = max((scores.get(label, 0.0) for label in thresholds), default=0.0)
        tops[study_id] = max(top, tops.get(study_id, 0.0))
    return tops


@dataclass(frozen=True, slots=True)
class Waiting:
    """What is left to answer: in each tray how many studies, and in one of them since when the first has waited."""

    counts: dict[str, str]  # as it is said: nobody counts beyond a thousand
    since: datetime | None


def waiting(user: User | AnonymousUser, tray: Tray) -> Waiting:
    """Tell what of the user's sites is unanswered."""
    sites = _sites(user)
    trays = {each: _in_tray(sites, Filters(tray=each)) for each in Tray}
    return Waiting(
        counts={each.value: _count(found.studies) for each, found in trays.items()},
        since=next(iter(trays[tray].front(None, 1)), None),
    )


def _count(studies: QuerySet[Study]) -> str:
    # In the order of the shelves, so that a planner takes them: those that wait may all lie at the end of the table.
    number = studies.order_by("site_id", "state", "completed_at")[: COUNTED + 1].count()
    return str(number) if number <= COUNTED else f"{COUNTED:,}+"
