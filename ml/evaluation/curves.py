"""ROC and precision-recall curves as points, and the area under the latter."""

import numpy as np
from numpy.typing import NDArray

from ml.evaluation.metrics import Flags, Floats

Points = NDArray[np.float64]  # (points, 2): horizontal, vertical


def roc_points(positive: Flags, scores: Floats) -> Points:
    """Return (1 - specificity, sensitivity) at every threshold, from (0, 0) to (1, 1).

    Equal scores share one point, so that the area by trapezoids is the AUC that counts ties half. Empty if one of
    the two kinds is absent.
    """
    found, wrong = _counts(positive, scores)
    if not found.size or not found[-1] or not wrong[-1]:
        return np.empty((0, 2))
    return np.concatenate([[[0.0, 0.0]], np.stack([wrong / wrong[-1], found / found[-1]], axis=1)])


def precision_recall_points(positive: Flags, scores: Floats) -> Points:
    """Return (sensitivity, precision) at every threshold, highest first. Empty without positives."""
    found, wrong = _counts(positive, scores)
    if not found.size or not found[-1]:
        return np.empty((0, 2))
    return np.stack([found / found[-1], found / (found + wrong)], axis=1)


def average_precision(positive: Flags, scores: Floats) -> float:
    """Return the area under the precision-recall curve, by steps: nothing is drawn between two thresholds.

    Returns:
        NaN without positives. Guessing reaches their share.

    Source:
        Davis and Goadrich, ICML 2006, on why straight lines between points are too good.
    """
    points = precision_recall_points(positive, scores)
    if not len(points):
        return float("nan")
    return float(np.sum(np.diff(points[:, 0], prepend=0.0) * points[:, 1]))


def thinned(points: Points, most: int = 400) -> list[list[float]]:
    """Return at most `most` points, first and last among them, rounded for a file."""
    if len(points) > most:
        points = points[np.unique(np.linspace(0, len(points) - 1, most).round().astype(np.int64))]
    return [[round(float(x), 4), round(float(y), 4)] for x, y in points]


def _counts(positive: Flags, scores: Floats) -> tuple[Floats, Floats]:
    """Count positives and others at or above each distinct score, highest first."""
    order = np.argsort(-scores, kind="stable")
    ranked, own = scores[order], positive[order]
    last = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True)) if len(ranked) else np.empty(0, np.int64)
    return np.cumsum(own)[last].astype(np.float64), np.cumsum(~own)[last].astype(np.float64)
