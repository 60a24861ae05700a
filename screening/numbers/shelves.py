"""How many studies became complete in a period: by tray, state and day.

Counted shelf by shelf, as the worklist reads them: each part is one range of the index of a tray (review/trays.py).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from django.db.models import Count, DateField, Func, Q
from django.utils import timezone

from screening.numbers.decided import Question
from screening.studies.models import Study, StudyState

COMPLETE: Final = (StudyState.READY, StudyState.INCOMPLETE, StudyState.REVIEWED)
TRAYS: Final = {
    "flagged": Q(flagged=True),
    "not assessed": Q(not_assessed=True),
    "not flagged": Q(flagged=False, not_assessed=False),
}


class UtcDay(Func):
    """The day of a moment, in UTC, computed by the engine: Django's own calls Python for every row on SQLite."""

    function = "DATE"
    output_field = DateField()

    def as_postgresql(self, compiler: Any, connection: Any, **more: Any) -> Any:
        return self.as_sql(compiler, connection, template="(%(expressions)s AT TIME ZONE 'UTC')::date", **more)


@dataclass(frozen=True, slots=True)
class Tray:
    """Studies of one tray and state."""

    tray: str
    state: str
    studies: int


@dataclass(frozen=True, slots=True)
class DayCount:
    day: date
    studies: int
    flagged: int
    not_assessed: int


@dataclass(frozen=True, slots=True)
class Counted:
    trays: Sequence[Tray]
    days: Sequence[DayCount]


def counted(asked: Question) -> Counted:
    """Count the site's complete studies. One that lies in two trays is counted in both, and once a day."""
    trays: Counter[tuple[str, str]] = Counter()
    days: Counter[tuple[str, date]] = Counter()
    for tray, lies in TRAYS.items():
        rows = Study.objects.filter(lies, site=asked.site, state__in=COMPLETE, completed_at__gte=asked.since)
        columns = rows.order_by().values_list("state", "flagged", UtcDay("completed_at"))
        for state, flagged, day, number in columns.annotate(Count("pk")):
            trays[tray, state] += number
            days[tray, day] += number
            if tray == "not assessed" and flagged:
                days["in both", day] += number
    return Counted(
        [Tray(tray, state, trays[tray, state]) for tray in TRAYS for state in COMPLETE if trays[tray, state]],
        _by_day(days),
    )


def _by_day(days: Counter[tuple[str, date]]) -> list[DayCount]:
    if not days:
        return []
    first = min(day for _, day in days)  # before the first study of the period there is nothing to see
    every = (first + timedelta(days=number) for number in range((timezone.now().date() - first).days + 1))
    return [_day(days, day) for day in every]


def _day(days: Counter[tuple[str, date]], day: date) -> DayCount:
    studies = sum(days[tray, day] for tray in TRAYS) - days["in both", day]
    return DayCount(day, studies, days["flagged", day], days["not assessed", day])
