"""The trays that readers work through: which studies lie in them, and in which order.

Oldest complete study first, since every study of a site is due the same time after it was
complete; the highest score of a flag-raising label only breaks ties. A page begins behind
the last study of the page before, so that answers given meanwhile skip or repeat nothing.

A tray is read shelf by shelf: the studies of one site in one state, which an index of the tray
holds in their order. A page takes the front of each, whatever lies behind it: a page of a site
with a million studies reads as many rows as one of a site with a hundred.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
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
FEW: Final = 1000  # screenings of a model, up to which its studies are named
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
    """Studies of a tray, and the shelves they lie on."""

    studies: QuerySet[Study]
    shelves: tuple[QuerySet[Study], ...]

    def without(self, study: UUID) -> "InTray":
        return InTray(self.studies.exclude(pk=study), tuple(shelf.exclude(pk=study) for shelf in self.shelves))


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
    if filters.model:
        studies = studies.filter(_seen_by(filters.model, sites, flagged=filters.tray == Tray.FLAGGED))
    shelves = (studies.filter(site_id=site, state=state) for site, state in product(sites, states))
    return InTray(studies.filter(site__in=sites, state__in=states), tuple(shelves))


def _states(answered: Answered) -> tuple[StudyState, ...]:
    return {
        Answered.OPEN: (StudyState.READY, StudyState.INCOMPLETE),
        Answered.ANSWERED: (StudyState.REVIEWED,),
        Answered.ALL: COMPLETE,
    }[answered]


def _seen_by(model: UUID, sites: Sequence[UUID], *, flagged: bool) -> Q:
    """Whether a model looked at a study, or flagged it: a picture of it, or a series, of which it saw the pictures.

    Studies of a model that saw few are named: a walk through the tray would look for them one by one.
    """
    rows = Screening.objects.filter(model_version_id=model)
    looked = rows.filter(study=OuterRef("pk"))
    if flagged:
        series = SeriesResult.objects.filter(study=OuterRef("study"), model_version_id=model, flagged=True)
        looked = looked.filter(Q(flagged=True) | Exists(series))
    found = list(rows.filter(site__in=sites).order_by().values_list("study_id", flat=True)[: FEW + 1])
    return Q(Exists(looked)) & Q(pk__in=set(found)) if len(found) <= FEW else Q(Exists(looked))


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
    moments = sorted(moment for shelf in tray.shelves for moment in _front(shelf, after, size + 1))
    last = moments[size : size + 1]
    window = tray.studies.filter(completed_at__gte=after.due) if after else tray.studies
    if last:
        window = window.filter(completed_at__lte=last[0])
    places = sorted(_places(window), key=lambda place: place.key)
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


@dataclass(frozen=True, slots=True)
class Waiting:
    """What is left to answer: in each tray how many studies, and in one of them since when the first has waited."""

    counts: dict[str, str]  # as it is said: nobody counts beyond a thousand
    since: datetime | None


def waiting(user: User | AnonymousUser, tray: Tray) -> Waiting:
    """Tell what of the user's sites is unanswered."""
    sites = _sites(user)
    trays = {each: _in_tray(sites, Filters(tray=each)) for each in Tray}
    fronts = [_front(shelf, None, 1) for shelf in trays[tray].shelves]
    return Waiting(
        counts={each.value: _said(found.studies[: COUNTED + 1].count()) for each, found in trays.items()},
        since=min((moment for front in fronts for moment in front), default=None),
    )


def _said(number: int) -> str:
    return str(number) if number <= COUNTED else f"{COUNTED:,}+"
