"""Figures from what readers decided. Where too little was decided it is said so, in place of a number."""

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, TypeVar

from django.core.cache import cache
from django.utils.translation import gettext as _

from ml import agreement, weighting
from ml.statistics import Interval, wilson
from ml.vocabulary import marked
from ml.weighting import Case, Estimate, RocPoint
from screening.numbers.decided import Opinion, Weighed, cases_of
from screening.review.models import Answer
from screening.wording import count, figure

T = TypeVar("T")
FEWEST_FOR_PPV: Final = 30
FEWEST_SAMPLED: Final = 30  # decided ones of what was not flagged
FEWEST_PRESENT: Final = 10
SEED: Final = 20_260_101  # of every resampling: the same rows give the same interval
REMEMBERED: Final = 3600  # seconds
STEPS: Final = 600_000  # cases times resamples of one figure: a page waits for some figures
WITH_UNSURE: Final = (Answer.PRESENT.value, Answer.ABSENT.value, Answer.UNSURE.value)
WITHOUT: Final = (Answer.PRESENT.value, Answer.ABSENT.value)


@dataclass(frozen=True, slots=True)
class Ppv:
    """How many of 100 flags like these readers confirmed, in one sentence."""

    text: str
    value: float | None
    interval: Interval | None
    decided: int
    unsure: int


@dataclass(frozen=True, slots=True)
class Flags:
    """What readers answered about flags that were raised at one operating point."""

    decided: int
    present: int
    unsure: int


def flags_of(opinions: Sequence[Opinion], *, point: float) -> Flags:
    flags = [one for one in opinions if one.said.flagged and one.said.point == point]
    decided = [one for one in flags if one.decided]
    unsure = sum(one.answer == Answer.UNSURE for one in flags)
    return Flags(len(decided), sum(one.present for one in decided), unsure)


def ppv(flags: Flags, *, site: str, model: str, point: float) -> Ppv:
    """Of the flags that were raised at an operating point: those whose finding readers marked present."""
    told = {
        "site": site,
        "model": model,
        "point": figure(point),
        "decided": count(flags.decided),
        "unsure": count(flags.unsure),
    }
    if flags.decided < FEWEST_FOR_PPV:
        text = (
            _(
                "Of 100 flags like this (%(site)s, %(model)s, operating point %(point)s, last 12 months) readers "
                "marked the finding present in: not yet known (%(decided)s decided, %(unsure)s unsure)."
            )
            % told
        )
        return Ppv(text, None, None, flags.decided, flags.unsure)
    share = flags.present / flags.decided
    interval = wilson(flags.present, flags.decided)
    ends = {"share": share, "low": interval.low, "high": interval.high}
    told |= {name: f"{value * 100:.0f}" for name, value in ends.items()}
    text = (
        _(
            "Of 100 flags like this (%(site)s, %(model)s, operating point %(point)s, last 12 months) readers "
            "marked the finding present in about %(share)s (95 %% interval %(low)s to %(high)s; %(decided)s decided, "
            "%(unsure)s unsure). Agreement with readers, not proof of disease."
        )
        % told
    )
    return Ppv(text, share, interval, flags.decided, flags.unsure)


@dataclass(frozen=True, slots=True)
class Compared:
    """What comes of holding answers beside flags."""

    confirmed: int
    dismissed: int
    missed: int
    agreed_not_flagged: int
    unsure: int
    not_assessable: int


def compared(opinions: Sequence[Opinion]) -> Compared:
    both = Counter((one.said.flagged, one.present) for one in opinions if one.decided)
    answers = Counter(one.answer for one in opinions)
    return Compared(
        confirmed=both[True, True],
        dismissed=both[True, False],
        missed=both[False, True],
        agreed_not_flagged=both[False, False],
        unsure=answers[Answer.UNSURE],
        not_assessable=answers[Answer.NOT_ASSESSABLE],
    )


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Weighted sensitivity, specificity and ROC; None where they are not estimable yet."""

    sensitivity: Estimate | None
    specificity: Estimate | None
    auc: Estimate | None
    roc: tuple[RocPoint, ...]
    sampled: int
    present: int

    @property
    def estimable(self) -> bool:
        return self.sensitivity is not None


def accuracy(answers: Sequence[Weighed], *, point: float | None = None) -> Accuracy:
    """Under the points that applied, or under another. Weighted by the inverse of the chance to be drawn."""
    cases = cases_of(answers, point=point)
    sampled = sum(not one.flagged for one in answers if one.opinion.decided)
    present = sum(case.present for case in cases)
    if sampled < FEWEST_SAMPLED or present < FEWEST_PRESENT:
        return Accuracy(None, None, None, (), sampled, present)
    return remembered("accuracy", cases, lambda: _accuracy(cases, sampled, present))


def _accuracy(cases: Sequence[Case], sampled: int, present: int) -> Accuracy:
    draws = _draws(cases)
    return Accuracy(
        weighting.sensitivity(cases, seed=SEED, draws=draws),
        weighting.specificity(cases, seed=SEED, draws=draws),
        weighting.auc(cases, seed=SEED, draws=draws),
        tuple(weighting.roc(cases)),
        sampled,
        present,
    )


def remembered(name: str, about: Sequence[object], compute: Callable[[], T]) -> T:
    """What was computed of the same rows before; resampling many answers takes seconds.

    The key is a hash of all that goes in: another answer is another key. Kept in this process alone.
    """
    key = "numbers:" + hashlib.sha256(repr((name, list(about))).encode()).hexdigest()
    found: T | None = cache.get(key)
    if found is None:
        found = compute()
        cache.set(key, found, REMEMBERED)
    return found


def _draws(cases: Sequence[object]) -> int:
    return min(1000, max(200, STEPS // max(len(cases), 1)))


@dataclass(frozen=True, slots=True)
class Agreement:
    """Kappa, and beside it what it hides. None where it is not defined."""

    name: str
    n: int
    kappa: float | None
    interval: Interval | None
    raw: float | None
    positive: float | None
    negative: float | None


def between_readers(pairs: Sequence[tuple[str, str]]) -> list[Agreement]:
    """Of random double reads alone: with `unsure` as an answer of its own, and without it."""
    return [
        _counted(marked("two readers, unsure as an answer"), pairs, WITH_UNSURE),
        _counted(marked("two readers, unsure left out"), pairs, WITHOUT),
    ]


def _counted(name: str, pairs: Sequence[tuple[str, str]], answers: tuple[str, ...]) -> Agreement:
    kept = [pair for pair in pairs if set(pair) <= set(answers)]
    table = agreement.tally(kept, answers)
    kappa = agreement.cohen_kappa(table)
    return Agreement(
        name,
        len(kept),
        kappa.value if kappa else None,
        Interval(kappa.low, kappa.high) if kappa else None,
        agreement.raw_share(table),
        agreement.specific_share(table, 0),
        agreement.specific_share(table, 1),
    )


def with_model(answers: Sequence[Weighed]) -> list[Agreement]:
    """Of model and reader on the weighted sample, which holds what was not flagged; an interval by patient."""
    return [
        _weighted(marked("model and reader, unsure as an answer"), answers, WITH_UNSURE),
        _weighted(marked("model and reader, unsure left out"), answers, WITHOUT),
    ]


def _weighted(name: str, answers: Sequence[Weighed], told: tuple[str, ...]) -> Agreement:
    kept = [one for one in answers if one.opinion.answer in told]
    sampled = sum(not one.flagged for one in kept)
    cells = [(0 if one.opinion.said.flagged else 1, told.index(one.opinion.answer)) for one in kept]
    if sampled < FEWEST_SAMPLED:
        return Agreement(name, len(kept), None, None, None, None, None)
    return remembered(name, list(zip(kept, cells, strict=True)), lambda: _with_interval(name, kept, cells, len(told)))


def _with_interval(name: str, kept: Sequence[Weighed], cells: Sequence[tuple[int, int]], size: int) -> Agreement:
    weights = [one.weight for one in kept]
    table = _table(cells, weights, size)
    patients = [one.opinion.patient for one in kept]
    return Agreement(
        name,
        len(kept),
        agreement.kappa_value(table),
        weighting.by_patient(
            patients,
            weights,
            lambda drawn: agreement.kappa_value(_table(cells, drawn, size)),
            seed=SEED,
            draws=_draws(kept),
        ),
        agreement.raw_share(table),
        agreement.specific_share(table, 0),
        agreement.specific_share(table, 1),
    )


def _table(cells: Sequence[tuple[int, int]], weights: Sequence[float], size: int) -> list[list[float]]:
    table = [[0.0] * size for _ in range(size)]
    for (row, column), weight in zip(cells, weights, strict=True):
        table[row][column] += weight
    return table


@dataclass(frozen=True, slots=True)
class Waits:
    """How long complete studies waited for their first answer."""

    answers: int
    mean: timedelta | None
    longest: timedelta | None


def waits(opinions: Sequence[Opinion], keep: Callable[[Opinion], bool] = lambda _: True) -> Waits:
    told = [one.waited for one in opinions if keep(one)]
    return Waits(len(told), sum(told, timedelta(0)) / len(told) if told else None, max(told, default=None))


def changed_answers(pairs: Sequence[tuple[str, str]]) -> tuple[int, list[tuple[str, str, int]]]:
    """Of answers given again once the models' answer was shown: how many, and those that differ, from what to what."""
    moved = Counter(pair for pair in pairs if pair[0] != pair[1])
    return len(pairs), [(before, after, number) for (before, after), number in moved.most_common()]
