"""All that waits to be read, in one order: the list "to read", and what `next` gives."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from heapq import merge
from itertools import islice
from uuid import UUID

from django.db.models import Q
from django.utils.dateparse import parse_datetime

from screening.review.blinding import NOTHING, Veil
from screening.review.order import Line, Place, Stop, read_order
from screening.review.shelves import PAGE, InTray, pages
from screening.review.trays import Filters, Tray, open_sites, tray_at
from screening.users.models import Reads


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a page of the list "to read" ends in either line, by when overdue was told, and whose turn it was."""

    told: datetime
    last: Line | None
    urgent: Place | None
    rest: Place | None

    def __str__(self) -> str:
        return "_".join([self.told.isoformat(), self.last or "", str(self.urgent or ""), str(self.rest or "")])

    @classmethod
    def parse(cls, text: str) -> "Spot | None":
        """Read a spot from an address. Anything malformed is the beginning of the list."""
        try:
            told, last, urgent, rest = text.split("_")
            moment = parse_datetime(told)
            if moment is None or moment.tzinfo is None:
                return None
            return cls(moment, Line(last) if last else None, Place.parse(urgent), Place.parse(rest))
        except ValueError:
            return None


@dataclass(frozen=True, slots=True)
class ReadPage:
    """One page of the list "to read"."""

    stops: tuple[Stop, ...]
    following: Spot | None


@dataclass(frozen=True, slots=True)
class Lines:
    """The two lines of some sites: what is flagged or not assessed, and the rest where the site reads it."""

    urgent: tuple[InTray, ...]
    rest: tuple[InTray, ...]

    def page(self, spot: Spot, size: int = PAGE) -> ReadPage:
        """The studies that follow a spot in the order of reading, at most `size`."""
        urgent, rest = self._fronts(spot.urgent, spot.rest, size + 1)
        found = list(islice(read_order(urgent, rest, now=spot.told, last=spot.last), size + 1))
        shown = tuple(found[:size])
        return ReadPage(shown, _after(spot, shown) if len(found) > size else None)

    def first(self, *, but: Collection[UUID], now: datetime, last: Line | None) -> Stop | None:
        """The study to be read next that is none of `but`."""
        return next(self.ahead(but=but, size=1, now=now, last=last), None)

    def ahead(self, *, but: Collection[UUID], size: int, now: datetime, last: Line | None) -> Iterator[Stop]:
        """What is to be read next and is none of `but`, in the order of reading: `size` studies, if so many wait."""
        urgent, rest = (
            [place for place in front if place.study not in but] for front in self._fronts(None, None, len(but) + size)
        )
        return islice(read_order(urgent, rest, now=now, last=last), size)

    def _fronts(self, urgent: Place | None, rest: Place | None, size: int) -> tuple[list[Place], list[Place]]:
        """The first places of both lines behind one of each."""
        asked = [*((tray, urgent) for tray in self.urgent), *((tray, rest) for tray in self.rest)]
        found = [shown.places for shown in pages(asked, size=size)]
        return _merged(found[: len(self.urgent)], size), _merged(found[len(self.urgent) :], size)


def lines_of(veil: Veil) -> Lines:
    """What waits to be read by the veil's user.

    What the user is to answer blindly is left out: a place in either line would tell what the models say.
    """
    hidden = NOTHING if veil.is_thin else veil.over
    sites = open_sites(veil)
    all_read = [site for site in sites if site.reads == Reads.ALL]
    flagged = Q(flagged=True)  # where it is not assessed either, it stands with the flagged
    return Lines(
        urgent=(
            tray_at(sites, Filters(tray=Tray.FLAGGED), but=hidden),
            tray_at(sites, Filters(tray=Tray.NOT_ASSESSED), but=hidden | flagged),
        ),
        rest=(tray_at(all_read, Filters(tray=Tray.NOT_FLAGGED), but=hidden),),
    )


def _merged(fronts: Iterable[Sequence[Place]], size: int) -> list[Place]:
    return list(islice(merge(*fronts, key=lambda place: place.key), size))


def _after(spot: Spot, shown: Sequence[Stop]) -> Spot:
    last: dict[Line, Place | None] = {Line.URGENT: spot.urgent, Line.REST: spot.rest}
    for stop in shown:
        last[stop.line] = stop.place
    return Spot(spot.told, shown[-1].line, last[Line.URGENT], last[Line.REST])
