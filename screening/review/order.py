"""The order in which studies are read. Nothing here asks the database, so that the order can be simulated as it is.

Two lines wait. In the first stand the flagged, and with them what could not be assessed, which is due like the flagged;
in the second the rest. Each line stands by due time, and the score breaks ties only. The first line goes first. But a
study of the rest that is overdue takes turns with it, one and one, so that no number of flags makes the rest wait for
ever.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from django.utils.dateparse import parse_datetime


class Line(StrEnum):
    """Where a study waits to be read."""

    URGENT = "urgent"  # flagged or not assessed
    REST = "rest"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a study stands in its line."""

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


class Stop(NamedTuple):
    """A study in the order of reading, and the line that it came from."""

    line: Line
    place: Place


def read_order(
    urgent: Iterable[Place], rest: Iterable[Place], *, now: datetime, last: Line | None = None
) -> Iterator[Stop]:
    """Merge the two lines, each of which comes in the order of `Place.key`, into the order of reading.

    `last` is the line that the reader took the last study from: while both a study of the first line and an overdue one
    of the rest wait, the other line's turn has come. Lazy: whoever wants one study takes one.
    """
    ahead, behind = iter(urgent), iter(rest)
    flagged, other = next(ahead, None), next(behind, None)
    while flagged or other:
        takes_turn = other is not None and other.due <= now and last == Line.URGENT
        if flagged and not takes_turn:
            last = Line.URGENT
            yield Stop(last, flagged)
            flagged = next(ahead, None)
        elif other:
            last = Line.REST
            yield Stop(last, other)
            other = next(behind, None)
