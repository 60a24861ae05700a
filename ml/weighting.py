"""Sensitivity, specificity and ROC where not every case is decided with the same chance; the standard library alone.

Readers decide nearly everything that was flagged and a small sample of the rest. Counted as they come, such cases make
a model look better than it is. Each case is therefore weighted by the inverse of the chance with which it came to be
decided (Horvitz and Thompson, J Am Stat Assoc 1952; 47: 663-685; for accuracy of tests: Begg and Greenes, Biometrics
1983; 39: 207-215). A share of two weighted sums is unbiased for many cases only: with some ten misses in the sample
sensitivity comes out some hundredths too high. Intervals resample patients, not pictures: two pictures of one person
are no two witnesses.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import floor
from random import Random
from typing import Final, TypeAlias

from ml.statistics import Interval, clopper_pearson

DRAWS: Final = 1000
Weights: TypeAlias = Sequence[float]
Statistic: TypeAlias = Callable[[Weights], float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One decided case."""

    patient: Hashable
    present: bool  # what the reader said
    flagged: bool  # what the model said
    score: float = 0.0
    weight: float = 1.0  # the inverse of the chance with which it came to be decided


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its interval; no interval where too few resamples allow the figure."""

    value: float
    interval: Interval | None


@dataclass(frozen=True, slots=True)
class RocPoint:
    """What a threshold would reach: flagged is a score at or above it."""

    threshold: float
    sensitivity: float
    false_flags: float  # one less the specificity


def weights_of(cases: Sequence[Case]) -> list[float]:
    return [case.weight for case in cases]


def sensitivity_of(cases: Sequence[Case]) -> Statistic:
    """The part of what is present that was flagged, as a function of the weights."""
    present = [place for place, case in enumerate(cases) if case.present]
    return _share(present, [place for place in present if cases[place].flagged])


def specificity_of(cases: Sequence[Case]) -> Statistic:
    """The part of what is absent that was not flagged, as a function of the weights."""
    absent = [place for place, case in enumerate(cases) if not case.present]
    return _share(absent, [place for place in absent if not cases[place].flagged])


def auc_of(cases: Sequence[Case]) -> Statistic:
    """The area under the ROC as a function of the weights; equal scores count half."""
    order = sorted(range(len(cases)), key=lambda place: cases[place].score)
    groups = [list(group) for _, group in groupby(order, key=lambda place: cases[place].score)]

    def area(weights: Weights) -> float | None:
        below = won = positives = 0.0
        for group in groups:
            here = sum(weights[place] for place in group if cases[place].present)
            others = sum(weights[place] for place in group if not cases[place].present)
            won += here * (below + others / 2)
            below += others
            positives += here
        return won / (positives * below) if positives > 0 and below > 0 else None

    return area


def sensitivity(cases: Sequence[Case], *, seed: int, draws: int = DRAWS) -> Estimate | None:
    """Weighted sensitivity with its interval by patient. None if no case is present."""
    estimate = _estimate(cases, sensitivity_of(cases), seed, draws)
    return estimate and _not_too_sure(estimate, cases, present=True)


def specificity(cases: Sequence[Case], *, seed: int, draws: int = DRAWS) -> Estimate | None:
    """Weighted specificity with its interval by patient. None if no case is absent."""
    estimate = _estimate(cases, specificity_of(cases), seed, draws)
    return estimate and _not_too_sure(estimate, cases, present=False)


def auc(cases: Sequence[Case], *, seed: int, draws: int = DRAWS) -> Estimate | None:
    """Weighted area under the ROC with its interval by patient. None unless some are present and some absent."""
    return _estimate(cases, auc_of(cases), seed, draws)


def roc(cases: Sequence[Case]) -> list[RocPoint]:
    """The weighted ROC from the strictest threshold to the laxest; empty unless some are present and some absent."""
    present = sum(case.weight for case in cases if case.present)
    absent = sum(case.weight for case in cases if not case.present)
    if not present or not absent:
        return []
    ordered = sorted(cases, key=lambda case: -case.score)
    points, found, wrong = [], 0.0, 0.0
    for score, group in groupby(ordered, key=lambda case: case.score):
        for case in group:
            found += case.weight * case.present
            wrong += case.weight * (not case.present)
        points.append(RocPoint(score, found / present, wrong / absent))
    return points


def by_patient(
    patients: Sequence[Hashable], weights: Weights, statistic: Statistic, *, seed: int, draws: int = DRAWS
) -> Interval | None:
    """Return the middle 95 % of a statistic over resamples of patients: the same for the same seed.

    Args:
        patients: For each case whose it is.
        weights: For each case its weight, which a patient drawn twice counts twice.
        statistic: Of the weights; None where a resample does not allow it, which is left out.
        seed: Of the draws.
        draws: How many resamples.

    Returns:
        None if fewer than half of the resamples allow the statistic.

    Source:
        Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13 (percentile interval).
    """
    known = sorted(set(patients), key=str)
    place = {patient: number for number, patient in enumerate(known)}
    whose = [place[patient] for patient in patients]
    dice = Random(seed)  # noqa: S311 - resampling, not secrecy
    everybody, found = range(len(known)), []
    for _ in range(draws):
        times = Counter(dice.choices(everybody, k=len(known)))
        value = statistic([weight * times[who] for weight, who in zip(weights, whose, strict=True)])
        if value is not None:
            found.append(value)
    if not found or len(found) * 2 < draws:
        return None
    found.sort()
    return Interval(_quantile(found, 0.025), _quantile(found, 0.975))


def _estimate(cases: Sequence[Case], statistic: Statistic, seed: int, draws: int) -> Estimate | None:
    weights = weights_of(cases)
    value = statistic(weights)
    if value is None:
        return None
    patients = [case.patient for case in cases]
    return Estimate(value, by_patient(patients, weights, statistic, seed=seed, draws=draws))


def _not_too_sure(estimate: Estimate, cases: Sequence[Case], *, present: bool) -> Estimate:
    """Widen an interval that resampling cannot: of no miss in the sample every resample shows none either.

    The group in which nothing was found (the cases not flagged, where no miss was seen) may still hold as much as
    the exact interval of 0 of its patients allows, times what its weights stand for.
    """
    if 0 < estimate.value < 1:
        return estimate
    right = estimate.value == 1
    # Of what is present the empty side is "not flagged" when all were found; of what is absent it is "flagged".
    empty_side = [case for case in cases if case.flagged != (present == right)]
    if not empty_side:  # no case could have shown the opposite
        return Estimate(estimate.value, None)
    bound = clopper_pearson(0, len({case.patient for case in empty_side})).high
    unseen = bound * sum(case.weight for case in empty_side)
    seen = sum(case.weight for case in cases if case.present == present)
    share = unseen / (unseen + seen)
    return Estimate(estimate.value, Interval(1 - share, 1.0) if right else Interval(0.0, share))


def _share(whole: Sequence[int], part: Sequence[int]) -> Statistic:
    def share(weights: Weights) -> float | None:
        total = sum(weights[place] for place in whole)
        return sum(weights[place] for place in part) / total if total > 0 else None

    return share


def _quantile(ordered: Sequence[float], share: float) -> float:
    spot = share * (len(ordered) - 1)
    low = floor(spot)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (spot - low)
