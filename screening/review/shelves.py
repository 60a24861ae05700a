"""How studies are read in the order of their due times, page by page.

Studies lie on shelves: those of one site in one state, which an index of the tray holds in the order in which they
were complete. All of a shelf are due the same time after that, so a page takes the front of each shelf, whatever lies
behind it: a page of a site with a million studies reads as many rows as one of a site with a hundred. It begins behind
the last study of the page before, so that answers given meanwhile skip or repeat nothing.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db.models import Q, QuerySet

from screening.prepared import Prepared
from screening.results.models import Screening
from screening.review.order import Place
from screening.review.together import Rows, together
from screening.studies.models import Study

PAGE: Final = 25
Limits = Mapping[UUID, timedelta]  # by site: how long after it was complete a study is due


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list."""

    places: tuple[Place, ...]
    following: Place | None = field(default=None)  # the last place, if more studies follow it


@dataclass(frozen=True, slots=True)
class Shelf:
    """Studies of one site in one state, due so long after they were complete."""

    studies: QuerySet[Study]
    limit: timedelta

    def front(self, after: Place | None, size: int, *, newest: bool = False) -> Rows:
        """When the first studies of the shelf were complete, or the first behind a place."""
        return self.moments(size, after=after.due - self.limit if after else None, newest=newest)

    def moments(self, size: int, *, after: datetime | None = None, newest: bool = False) -> Rows:
        """When the first studies of the shelf were complete, or the last ones: one column."""
        beyond = {"completed_at__lt" if newest else "completed_at__gt": after} if after else {}
        ahead = self.studies.filter(**beyond).order_by("-completed_at" if newest else "completed_at")
        return ahead.values_list("completed_at")[:size]


@dataclass(frozen=True, slots=True)
class InTray:
    """Studies of a tray, and the shelves they lie on, or the few there are with their due times."""

    studies: QuerySet[Study]
    limits: Limits
    shelves: tuple[Shelf, ...] = ()
    few: dict[UUID, datetime] | None = None

    def without(self, study: UUID) -> "InTray":
        few = None if self.few is None else {pk: due for pk, due in self.few.items() if pk != study}
        shelves = tuple(Shelf(shelf.studies.exclude(pk=study), shelf.limit) for shelf in self.shelves)
        return InTray(self.studies.exclude(pk=study), self.limits, shelves, few)

    def behind(self, after: Place | None, *, newest: bool = False) -> list[datetime]:
        """The due times of the few that may follow a place; none where the tray has shelves."""
        dues = [due for due in (self.few or {}).values() if after is None or due != after.due]
        return [due for due in dues if after is None or (due < after.due) == newest]

    def between(self, first: datetime | None, last: datetime | None) -> QuerySet[Study]:
        """The studies due from one moment to another, both included."""
        return self.studies.filter(self._due(first, last))

    def few_between(self, first: datetime | None, last: datetime | None) -> dict[UUID, datetime]:
        """The same of the few."""
        inside = (first or datetime.min.replace(tzinfo=UTC), last or datetime.max.replace(tzinfo=UTC))
        return {pk: due for pk, due in (self.few or {}).items() if inside[0] <= due <= inside[1]}

    def _due(self, first: datetime | None, last: datetime | None) -> Q:
        alike: dict[timedelta, list[UUID]] = defaultdict(list)  # mostly all: then it is one range of one index
        for site, limit in self.limits.items():
            alike[limit].append(site)
        found = Q(pk__in=[])
        for limit, sites in alike.items():
            inside = Q(site__in=sites)
            inside &= Q(completed_at__gte=first - limit) if first else Q()
            inside &= Q(completed_at__lte=last - limit) if last else Q()
            found |= inside
        return found


Asked = Sequence[tuple[InTray, Place | None]]  # trays, and behind which place of each
Span = tuple[datetime | None, datetime | None]  # due from and until, both included


def page(tray: InTray, *, after: Place | None, size: int = PAGE, newest: bool = False) -> Page:
    """The places that follow `after`, at most `size`."""
    return pages([(tray, after)], size=size, newest=newest)[0]


def pages(asked: Asked, *, size: int = PAGE, newest: bool = False) -> list[Page]:
    """Of each tray the places that follow a place, at most `size`: three statements where the engine can join them.

    Only the groups of equal moments at both ends are read beyond the page: a moment is that
    of one commit, so such a group is as large as a batch.
    """
    spans: list[Span] = []
    for (_tray, after), front in zip(asked, _fronts(asked, size + 1, newest=newest), strict=True):
        first, last = after.due if after else None, front[size] if len(front) > size else None
        spans.append((last, first) if newest else (first, last))
    found = _between([tray for tray, _after in asked], spans)
    tops = top_scores([pk for dues in found for pk in dues])
    return [
        _page(_in_order(dues, tops), after, size, newest=newest)
        for (_tray, after), dues in zip(asked, found, strict=True)
    ]


def _fronts(asked: Asked, size: int, *, newest: bool) -> Iterator[list[datetime]]:
    """Of each tray the first due times, or the first behind a place; the last ones where the newest come first."""
    answers = iter(
        together([shelf.front(after, size, newest=newest) for tray, after in asked for shelf in tray.shelves])
    )
    for tray, after in asked:
        dues = tray.behind(after, newest=newest)
        dues += [moment + shelf.limit for shelf in tray.shelves for (moment,) in next(answers)]
        yield sorted(dues, reverse=newest)[:size]


def _between(trays: Sequence[InTray], spans: Sequence[Span]) -> list[dict[UUID, datetime]]:
    """Of each tray the studies due in its span, and when."""
    asked = list(zip(trays, spans, strict=True))
    answers = iter(together([_columns(tray.between(*span)) for tray, span in asked if tray.few is None]))
    return [_dues(next(answers), tray.limits) if tray.few is None else tray.few_between(*span) for tray, span in asked]


def _page(places: list[Place], after: Place | None, size: int, *, newest: bool) -> Page:
    if newest:
        places.reverse()
    if after:
        places = [place for place in places if place != after and (place.key < after.key) == newest]
    shown = tuple(places[:size])
    return Page(shown, shown[-1] if len(places) > size else None)


def dues_of(studies: QuerySet[Study], limits: Limits) -> dict[UUID, datetime]:
    """When each of these studies is due; none for one that is not complete."""
    return _dues(_columns(studies), limits)


def _columns(studies: QuerySet[Study]) -> Rows:
    return studies.order_by().values_list("pk", "site_id", "completed_at")


def _dues(rows: Iterable[tuple[Any, ...]], limits: Limits) -> dict[UUID, datetime]:
    return {pk: moment + limits[site] for pk, site, moment in rows if moment}


def places_of(dues: Mapping[UUID, datetime]) -> list[Place]:
    """The places of these studies, in their order."""
    return _in_order(dues, top_scores(list(dues)))


def _in_order(dues: Mapping[UUID, datetime], tops: Mapping[UUID, float]) -> list[Place]:
    return sorted((Place(due, tops.get(pk, 0.0), pk) for pk, due in dues.items()), key=lambda place: place.key)


def top_scores(study_ids: Sequence[UUID]) -> dict[UUID, float]:
    """The highest score of a flag-raising label, for each study that has one."""
    tops: dict[UUID, float] = {}
    for study_id, scores, thresholds in _SCORES(study_ids):
        top = max((scores.get(label, 0.0) for label in thresholds), default=0.0)
        tops[study_id] = max(top, tops.get(study_id, 0.0))
    return tops


def _scores(study_ids: Sequence[UUID]) -> QuerySet[Screening, tuple[UUID, dict[str, float], dict[str, float]]]:
    rows = Screening.objects.filter(study_id__in=study_ids, thresholds__isnull=False).exclude(scores={})
    return rows.values_list("study_id", "scores", "thresholds")


_SCORES: Final = Prepared(_scores)
