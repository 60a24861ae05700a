"""What the order of reading does to waits: one reader, random arrivals, the very function that the product orders by.

`python -m tests.review` prints the table of docs/reading.md and draws its plot.
"""

import random
import statistics
import sys
from bisect import insort
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from heapq import heappop, heappush
from uuid import UUID

from screening.review.order import Line, Place, read_order
from screening.users.models import Site
from tests.environment import ROOT
from tests.review.order_plot import plot

LOADS = (0.8, 0.9, 0.95, 1.05)
SEEDS = range(20)
STUDIES = 3000  # that arrive in one run; then no more come, and all are read
READING = 120.0  # seconds for one study on average, drawn from an exponential distribution
FLAGGED = 0.05
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
SHIPPED = (Site._meta.get_field("flagged_hours").default, Site._meta.get_field("rest_hours").default)
TIGHT = (1, 2)  # hours: the rest is overdue much of the time
SHOWN = ("FCFS", "order", "score")


@dataclass(frozen=True, slots=True)
class Arrival:
    at: float  # seconds
    reading: float
    flagged: bool
    score: float


@dataclass(frozen=True, slots=True)
class Waits:
    """Seconds from complete to opened."""

    flagged: tuple[float, ...]
    rest: tuple[float, ...]


def arrivals(*, load: float, seed: int, studies: int = STUDIES) -> list[Arrival]:
    dice = random.Random(f"{load}/{seed}")
    at, made = 0.0, []
    for _ in range(studies):
        at += dice.expovariate(load / READING)
        flagged = dice.random() < FLAGGED
        score = 0.5 + dice.random() / 2 if flagged else dice.random() / 2
        made.append(Arrival(at, dice.expovariate(1 / READING), flagged, score))
    return made


class ByOrder:
    """The two lines of the product, each kept by `Place.key`, and the study that `read_order` takes first."""

    def __init__(self, flagged_hours: float, rest_hours: float) -> None:
        self.limits = {Line.URGENT: timedelta(hours=flagged_hours), Line.REST: timedelta(hours=rest_hours)}
        self.lines: dict[Line, list[Place]] = {Line.URGENT: [], Line.REST: []}
        self.last: Line | None = None

    def put(self, number: int, arrival: Arrival) -> None:
        line = Line.URGENT if arrival.flagged else Line.REST
        due = BEGAN + timedelta(seconds=arrival.at) + self.limits[line]
        insort(self.lines[line], Place(due, arrival.score, UUID(int=number)), key=lambda place: place.key)

    def take(self, now: float) -> int:
        moment = BEGAN + timedelta(seconds=now)
        stop = next(read_order(self.lines[Line.URGENT], self.lines[Line.REST], now=moment, last=self.last))
        self.last = stop.line
        taken = self.lines[stop.line].pop(0)
        assert taken == stop.place
        return taken.study.int


class FirstCome:
    def __init__(self) -> None:
        self.waiting: deque[int] = deque()

    def put(self, number: int, _arrival: Arrival) -> None:
        self.waiting.append(number)

    def take(self, _now: float) -> int:
        return self.waiting.popleft()


class ByScore:
    """The control: the highest score first, and nothing else."""

    def __init__(self) -> None:
        self.waiting: list[tuple[float, int]] = []

    def put(self, number: int, arrival: Arrival) -> None:
        heappush(self.waiting, (-arrival.score, number))

    def take(self, _now: float) -> int:
        return heappop(self.waiting)[1]


Queue = ByOrder | FirstCome | ByScore


def read_all(coming: list[Arrival], queue: Queue) -> Waits:
    """One reader reads everything, never idle while something waits."""
    waits: dict[bool, list[float]] = {True: [], False: []}
    now, came, left = 0.0, 0, 0
    while left < len(coming):
        if came == left:  # nothing waits: the reader rests until the next one comes
            now = max(now, coming[came].at)
        while came < len(coming) and coming[came].at <= now:
            queue.put(came, coming[came])
            came += 1
        taken = coming[queue.take(now)]
        waits[taken.flagged].append(now - taken.at)
        now += taken.reading
        left += 1
    return Waits(tuple(waits[True]), tuple(waits[False]))


BESIDE: dict[str, Callable[[], Queue]] = {"FCFS": FirstCome, "score": ByScore}


@cache
def beside(load: float, seed: int, name: str) -> Waits:
    """The waits in an order that knows no limits."""
    return read_all(arrivals(load=load, seed=seed), BESIDE[name]())


@dataclass(frozen=True, slots=True)
class Figures:
    """Medians over the seeds, in units of what first-come-first-served gives for the same arrivals."""

    load: float
    limits: tuple[float, float]
    flagged_mean: dict[str, float]
    rest_longest: dict[str, float]
    fcfs_minutes: tuple[float, float]  # what the units are: mean of the flagged, longest of the rest
    overdue: float  # part of the studies of the rest that were overdue when opened, in the order of the product


def simulate(load: float, limits: tuple[float, float], seeds: range = SEEDS) -> Figures:
    runs = []
    for seed in seeds:
        ordered = read_all(arrivals(load=load, seed=seed), ByOrder(*limits))
        runs.append({"order": ordered, **{name: beside(load, seed, name) for name in BESIDE}})

    def median(measure: Callable[[Waits], float], name: str) -> float:
        return statistics.median(measure(run[name]) / measure(run["FCFS"]) for run in runs)

    return Figures(
        load,
        limits,
        {name: median(mean_of_flagged, name) for name in SHOWN},
        {name: median(longest_of_rest, name) for name in SHOWN},
        (
            statistics.median(mean_of_flagged(run["FCFS"]) for run in runs) / 60,
            statistics.median(longest_of_rest(run["FCFS"]) for run in runs) / 60,
        ),
        statistics.median(overdue(run["order"], limits[1]) for run in runs),
    )


def mean_of_flagged(waits: Waits) -> float:
    return statistics.fmean(waits.flagged)


def longest_of_rest(waits: Waits) -> float:
    return max(waits.rest)


def overdue(waits: Waits, hours: float) -> float:
    return statistics.fmean(wait >= hours * 3600 for wait in waits.rest)


def rows(found: list[Figures]) -> Iterator[str]:
    yield (
        "| limits, h | load | opened overdue | flagged, mean: order | score | rest, longest: order | score "
        "| first come: flagged mean, rest longest |"
    )
    yield "|---|---|---|---|---|---|---|---|"
    for one in found:
        flagged, rest = one.flagged_mean, one.rest_longest
        minutes, longest = one.fcfs_minutes
        cells = (
            f"{one.limits[0]:g}, {one.limits[1]:g}",
            f"{one.load}",
            f"{one.overdue:.0%}",
            f"{flagged['order']:.2f}",
            f"{flagged['score']:.2f}",
            f"{rest['order']:.2f}",
            f"{rest['score']:.1f}",
            f"{minutes:.0f} min, {longest / 60:.1f} h",
        )
        yield f"| {' | '.join(cells)} |"


def main() -> None:
    found = [simulate(load, limits) for limits in (SHIPPED, TIGHT) for load in LOADS]
    sys.stdout.write("\n".join(rows(found)) + "\n")
    (ROOT / "docs" / "img" / "order.svg").write_text(plot(found[len(LOADS) :]))
