"""Figures of a revealed set: each reader and each model against the truth, and readers against each other.

`present` and `absent` decide; `unsure`, `not assessable` and a case that a model did not assess are counted apart and
are never taken for either. Two pictures of one person are no two witnesses: where a person has several studies in
a set, intervals resample persons.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean
from typing import Final

from ml import agreement, weighting
from ml.statistics import Interval, wilson
from ml.weighting import Case as Weighted

FEWEST: Final = 5  # decided cases of a kind, and for kappa of both kinds together, below which nothing is told
SEED: Final = 20_260_101  # of every resampling: the same answers give the same interval


@dataclass(frozen=True, slots=True)
class Truth:
    """A case as figures need it: a key, whether the finding is present, and whose study it is."""

    key: int
    present: bool
    patient: str


Votes = Mapping[int, bool]  # by case, whether a judge said present; undecided cases are not in it


@dataclass(frozen=True, slots=True)
class Share:
    """How many of some cases were told rightly. No value where too few were decided."""

    right: int
    of: int
    value: float | None
    interval: Interval | None


@dataclass(frozen=True, slots=True)
class Agreement:
    """Kappa of two judges on the cases that both decided, and what it hides. None: not known yet, or not defined."""

    n: int
    value: float | None
    interval: Interval | None
    raw: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """One reader, or one model version at its operating point, against the truth."""

    sensitivity: Share
    specificity: Share
    kappa: Agreement


def against_truth(cases: Sequence[Truth], votes: Votes) -> Judge:
    """Sensitivity, specificity and kappa of one judge, on the cases that they decided."""
    decided = [case for case in cases if case.key in votes]
    return Judge(
        sensitivity=_share(decided, votes, present=True),
        specificity=_share(decided, votes, present=False),
        kappa=_agreement([(case.present, votes[case.key]) for case in decided], [case.patient for case in decided]),
    )


def between(cases: Sequence[Truth], first: Votes, second: Votes) -> Agreement:
    """Kappa of two judges, on the cases that both decided."""
    both = [case for case in cases if case.key in first and case.key in second]
    return _agreement([(first[case.key], second[case.key]) for case in both], [case.patient for case in both])


@dataclass(frozen=True, slots=True)
class Spread:
    """Kappas of all pairs of a class at a glance."""

    pairs: int
    mean: float
    low: float
    high: float


def spread_of(found: Sequence[Agreement]) -> Spread | None:
    """The mean and the range of the kappas that are known; None if there is none."""
    known = [one.value for one in found if one.value is not None]
    return Spread(len(known), fmean(known), min(known), max(known)) if known else None


def pairs_of(judges: Mapping[int, Votes], cases: Sequence[Truth]) -> list[tuple[int, int, Agreement]]:
    """Kappa of every two readers."""
    return [(one, two, between(cases, judges[one], judges[two])) for one, two in combinations(judges, 2)]


def majority(judges: Sequence[Votes], key: int) -> bool | None:
    """What most of those who decided said of a case; None where nobody did, or as many said either."""
    said = Counter(votes[key] for votes in judges if key in votes)
    return None if said[True] == said[False] else said[True] > said[False]


def _share(decided: Sequence[Truth], votes: Votes, *, present: bool) -> Share:
    asked = [case for case in decided if case.present == present]
    right = sum(votes[case.key] == present for case in asked)
    if len(asked) < FEWEST:
        return Share(right, len(asked), None, None)
    if len({case.patient for case in asked}) == len(asked):
        return Share(right, len(asked), right / len(asked), wilson(right, len(asked)))
    weighted = [Weighted(patient=case.patient, present=case.present, flagged=votes[case.key]) for case in asked]
    estimate = (weighting.sensitivity if present else weighting.specificity)(weighted, seed=SEED)
    return Share(right, len(asked), right / len(asked), estimate.interval if estimate else None)


Pair = tuple[bool, bool]
TRUE_FIRST: Final = (True, False)


def _agreement(pairs: Sequence[Pair], patients: Sequence[str]) -> Agreement:
    table = agreement.tally(pairs, TRUE_FIRST)
    raw = agreement.raw_share(table)
    kappa = agreement.cohen_kappa(table)
    if len(pairs) < 2 * FEWEST or kappa is None:
        return Agreement(len(pairs), None, None, raw)
    if len(set(patients)) == len(patients):
        interval: Interval | None = Interval(kappa.low, kappa.high)
    else:
        ones = [1.0] * len(pairs)
        interval = weighting.by_patient(patients, ones, _kappa_of(pairs), seed=SEED)
    if interval is not None and interval.low == interval.high:  # every resample is the same: that is no certainty
        interval = None
    return Agreement(len(pairs), kappa.value, interval, raw)


def _kappa_of(pairs: Sequence[Pair]) -> Callable[[Sequence[float]], float | None]:
    def kappa(weights: Sequence[float]) -> float | None:
        table = [[0.0, 0.0], [0.0, 0.0]]
        for (first, second), weight in zip(pairs, weights, strict=True):
            table[TRUE_FIRST.index(first)][TRUE_FIRST.index(second)] += weight
        return agreement.kappa_value(table)

    return kappa
