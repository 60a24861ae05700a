"""What scores are worth, with intervals that know a patient's pictures belong together."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ml.statistics import clopper_pearson

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
RESAMPLES: Final = 1000


def auc(positive: Flags, scores: Floats) -> float:
    """Return the area under the ROC curve: how often a positive scores above a negative, ties half.

    Returns:
        NaN if one of the two kinds is absent.

    Source:
        Hanley and McNeil, Radiology 1982; 143: 29-36 (the Mann-Whitney form).
    """
    count = int(positive.sum())
    others = len(positive) - count
    if not count or not others:
        return float("nan")
    _, inverse, sizes = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(sizes) - (sizes - 1) / 2)[inverse]  # mean rank of ties
    return float((ranks[positive].sum() - count * (count + 1) / 2) / (count * others))


def by_patient(patients: Sequence[str], seed: int, resamples: int = RESAMPLES) -> list[NDArray[np.int64]]:
    """Draw patients with replacement, `resamples` times; each draw lists the rows of those drawn."""
    _, group = np.unique(np.array(patients), return_inverse=True)
    rows = [np.flatnonzero(group == number) for number in range(group.max() + 1)]
    rng = np.random.Generator(np.random.PCG64(seed))
    return [np.concatenate([rows[i] for i in rng.integers(0, len(rows), len(rows))]) for _ in range(resamples)]


def with_interval(
    value: Callable[[NDArray[np.int64]], float], draws: Sequence[NDArray[np.int64]], rows: int
) -> dict[str, float | None]:
    """Compute a figure on all rows and its 95 % percentile interval over the draws.

    Returns:
        `value`, `low`, `high`, rounded to four digits; None where it cannot be told.
    """
    drawn = np.array([value(draw) for draw in draws])
    drawn = drawn[np.isfinite(drawn)]
    low, high = np.percentile(drawn, [2.5, 97.5]) if len(drawn) else (np.nan, np.nan)
    whole = value(np.arange(rows))
    return {"value": rounded(whole), "low": rounded(low), "high": rounded(high)}


def proportion(successes: int, trials: int) -> dict[str, float | int | None]:
    """Return a share with its exact interval and what it was counted on."""
    if trials == 0:
        return {"value": None, "low": None, "high": None, "n": 0}
    interval = clopper_pearson(successes, trials)
    return {
        "value": rounded(successes / trials),
        "low": rounded(interval.low),
        "high": rounded(interval.high),
        "n": trials,
    }


def rounded(number: float) -> float | None:
    """Round for a card; NaN becomes None, which JSON can hold."""
    return round(float(number), 4) if np.isfinite(number) else None


def threshold_for_sensitivity(positive: Flags, scores: Floats, patients: Sequence[str], sensitivity: float) -> float:
    """Return the highest threshold that finds at least this part of the positive patients.

    A patient is found if any of his or her positive pictures scores at or above the threshold.
    """
    best: dict[str, float] = {}
    for is_positive, score, patient in zip(positive, scores, patients, strict=True):
        if is_positive:
            best[patient] = max(best.get(patient, 0.0), float(score))
    ordered = sorted(best.values(), reverse=True)
    return ordered[int(np.ceil(sensitivity * len(ordered))) - 1]


def balanced_accuracy(truth: NDArray[np.int64], answer: NDArray[np.int64]) -> float:
    """Return the mean over the labels of the part recognised."""
    return float(np.mean([(answer[truth == label] == label).mean() for label in np.unique(truth)]))


def calibration(positive: Flags, scores: Floats, bins: int = 5) -> dict[str, Any]:
    """Return the Brier score and, for bins of equal size, mean score beside the observed part."""
    parts = np.array_split(np.argsort(scores, kind="stable"), bins)
    return {
        "brier": rounded(float(np.mean((scores - positive) ** 2))),
        "bins": [
            {"n": len(p), "mean_score": rounded(scores[p].mean()), "observed": rounded(positive[p].mean())}
            for p in parts
            if len(p)
        ],
        "note": "Calibrated for this collection's mix, not for your site.",
    }
