"""How many studies wait in each tray, and since when those of one tray do: one statement that gives one row.

Of no tray are more rows read than anybody counts, and none of them leaves the database: a thousand moments, read one by
one to take their mean, cost a page a tenth of its time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import QuerySet

from screening.review.shelves import Shelf
from screening.studies.models import Study

# Seconds since 1970.
_EPOCH: Final = {
    "postgresql": "extract(epoch FROM completed_at)::float8",
    "sqlite": "(julianday(completed_at) - 2440587.5) * 86400.0",
}


@dataclass(frozen=True, slots=True)
class Tally:
    """How many there are of each kind, no more than one beyond what is counted; of the first, since when they wait."""

    counts: tuple[int, ...]
    since: datetime | None
    mean: datetime | None


@dataclass(frozen=True, slots=True)
class TallyQuestion:
    """The statement that counts, and its parameters; none where there is nothing to be counted."""

    kinds: int
    sql: str = ""
    params: tuple[Any, ...] = ()

    def ask(self) -> Tally:
        """Ask the database. One statement."""
        if not self.sql:
            return Tally((0,) * self.kinds, None, None)
        with connection.cursor() as cursor:
            cursor.execute(self.sql, self.params)
            since, mean, *numbers = cursor.fetchone()
        return Tally(tuple(numbers), _moment(since), _moment(mean))


def tally_question(kinds: Sequence[QuerySet[Study]], shelves: Sequence[Shelf], *, most: int) -> TallyQuestion:
    """Ask how many studies of some kinds there are, up to `most` and one, and when the first `most` on shelves came."""
    # In the order of the shelves, so that a planner takes them: those that wait may all lie at the end of the table.
    ordered = [kind.order_by("site_id", "state", "completed_at").values("pk")[: most + 1] for kind in kinds]
    counts, counted = _each("(SELECT count(*) FROM ({}) counted)", ordered)
    fronts, shelved = _each("SELECT completed_at FROM ({}) shelf", [shelf.moments(most) for shelf in shelves])
    if not fronts:
        return TallyQuestion(len(kinds))
    epoch = _EPOCH[connection.vendor]
    statement = (
        f"SELECT min({epoch}), avg({epoch}), {', '.join(counts)} FROM "  # noqa: S608 - of statements that Django wrote
        f"(SELECT completed_at FROM ({' UNION ALL '.join(fronts)}) shelves ORDER BY completed_at LIMIT {most}) longest"
    )
    return TallyQuestion(len(kinds), statement, (*counted, *shelved))


def _each(form: str, questions: Sequence[QuerySet[Any, Any]]) -> tuple[list[str], list[Any]]:
    """Put the statement of each question into a form, and give their parameters in order."""
    written: list[str] = []
    given: list[Any] = []
    for question in questions:
        try:
            sql, params = question.query.sql_with_params()
        except EmptyResultSet:
            written.append(form.format("SELECT NULL AS completed_at WHERE 1 = 0"))
        else:
            written.append(form.format(sql))
            given += params
    return written, given


def _moment(epoch: float | None) -> datetime | None:
    return None if epoch is None else datetime.fromtimestamp(epoch, UTC)
