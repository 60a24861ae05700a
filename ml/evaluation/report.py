"""Figures of a set of scores, by source and with intervals: what stands on a card."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.evaluation.metrics import (
    Floats,
    auc,
    balanced_accuracy,
    by_patient,
    calibration,
    proportion,
    rounded,
    with_interval,
)
from ml.training.data import Example

Draws = Sequence[NDArray[np.int64]]


def figures(
    examples: Sequence[Example],
    names: Sequence[str],
    scores: Floats,
    thresholds: Mapping[str, float],
    seed: int = 0,
) -> dict[str, Any]:
    """Compute everything a card says about one set of pictures.

    Args:
        examples: What was scored.
        names: Labels in the order of the columns of `scores`.
        scores: float64 `(examples, labels)`, each row summing to 1.
        thresholds: Operating points of the labels that flag.
        seed: Of the bootstrap by patient.

    Returns:
        A dictionary of plain numbers: accuracy, AUC of each label against the rest, sensitivity and
        specificity at the operating points, all with 95 % intervals; per source, what a source can tell.
    """
    truth = np.array([names.index(example.label) for example in examples])
    answer = scores.argmax(axis=1)
    draws = by_patient([example.patient for example in examples], seed)
    rows = len(examples)
    return {
        "pictures": rows,
        "patients": len({example.patient for example in examples}),
        "accuracy": with_interval(lambda r: float((answer[r] == truth[r]).mean()), draws, rows),
        "balanced_accuracy": with_interval(lambda r: balanced_accuracy(truth[r], answer[r]), draws, rows),
        "auc": {name: _auc_of(truth == k, scores[:, k], draws) for k, name in enumerate(names)},
        "confusion": _confusion(truth, answer, names),
        "operating_points": _at_thresholds(examples, names, scores, thresholds),
        "calibration": {
            name: calibration(truth == names.index(name), scores[:, names.index(name)]) for name in thresholds
        },
        "sources": by_source(examples, names, scores, seed),
    }


def by_source(examples: Sequence[Example], names: Sequence[str], scores: Floats, seed: int = 0) -> dict[str, Any]:
    """Tell every source by itself: the part answered rightly, and the AUC between each pair of its labels."""
    told: dict[str, Any] = {}
    for source in sorted({example.source for example in examples}):
        own = np.array([place for place, example in enumerate(examples) if example.source == source])
        truth = np.array([names.index(examples[place].label) for place in own])
        draws = by_patient([examples[place].patient for place in own], seed)
        right = scores[own].argmax(axis=1) == truth
        told[source] = {
            "pictures": len(own),
            "labels": {name: int((truth == k).sum()) for k, name in enumerate(names) if (truth == k).any()},
            "accuracy": with_interval(partial(_share_on, right), draws, len(own)),
            "auc_between": _pairs(truth, names, scores[own], draws),
        }
    return told


def _share_on(right: NDArray[np.bool_], rows: NDArray[np.int64]) -> float:
    return float(right[rows].mean())


def _auc_on(truth: NDArray[np.int64], share: Floats, first: int, second: int, rows: NDArray[np.int64]) -> float:
    return _auc_between(truth[rows], share[rows], first, second)


def macro_auc(examples: Sequence[Example], label: str, scores: Floats) -> dict[str, Any]:
    """Return the mean over sources of the AUC of `label` within each; sources with one label do not count."""
    each: dict[str, float] = {}
    for source in sorted({example.source for example in examples}):
        own = np.array([example.source == source for example in examples])
        positive = np.array([example.label == label for example in examples])[own]
        if positive.any() and not positive.all():
            each[source] = auc(positive, scores[own])
    mean = float(np.mean(list(each.values()))) if each else float("nan")
    return {"macro": rounded(mean), "sources": {name: rounded(value) for name, value in each.items()}}


def _auc_of(positive: NDArray[np.bool_], scores: Floats, draws: Draws) -> dict[str, float | None]:
    return with_interval(lambda rows: auc(positive[rows], scores[rows]), draws, len(scores))


def _pairs(truth: NDArray[np.int64], names: Sequence[str], scores: Floats, draws: Draws) -> dict[str, Any]:
    return {
        f"{names[first]} / {names[second]}": with_interval(auc_between(truth, scores, first, second), draws, len(truth))
        for first, second in combinations(np.unique(truth).tolist(), 2)
    }


def auc_between(
    truth: NDArray[np.int64], scores: Floats, first: int, second: int
) -> Callable[[NDArray[np.int64]], float]:
    """Return the function from rows to the AUC of one label against another, by their share of the two scores."""
    share = scores[:, first] / np.maximum(scores[:, first] + scores[:, second], 1e-12)
    return partial(_auc_on, truth, share, first, second)


def _auc_between(truth: NDArray[np.int64], share: Floats, first: int, second: int) -> float:
    both = (truth == first) | (truth == second)
    return auc(truth[both] == first, share[both])


def _confusion(truth: NDArray[np.int64], answer: NDArray[np.int64], names: Sequence[str]) -> dict[str, dict[str, int]]:
    return {
        name: {other: int(((truth == k) & (answer == j)).sum()) for j, other in enumerate(names)}
        for k, name in enumerate(names)
    }


def _at_thresholds(
    examples: Sequence[Example], names: Sequence[str], scores: Floats, thresholds: Mapping[str, float]
) -> dict[str, Any]:
    told = {}
    for name, value in thresholds.items():
        positive = np.array([example.label == name for example in examples])
        reached = scores[:, names.index(name)] >= value
        found = {e.patient for e, hit in zip(examples, positive & reached, strict=True) if hit}
        ill = {e.patient for e, is_positive in zip(examples, positive, strict=True) if is_positive}
        told[name] = {
            "threshold": round(value, 4),
            "sensitivity_by_patient": proportion(len(found), len(ill)),
            "sensitivity_by_picture": proportion(int((positive & reached).sum()), int(positive.sum())),
            "specificity_by_picture": proportion(int((~positive & ~reached).sum()), int((~positive).sum())),
        }
    return told
