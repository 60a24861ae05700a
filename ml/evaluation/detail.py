"""What one pooled figure hides: each label, each view, each sublabel, and what false flags look like."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ml.evaluation.curves import average_precision
from ml.evaluation.metrics import Flags, Floats, by_patient, proportion, rounded, with_interval
from ml.statistics import clopper_pearson
from ml.training.data import Example

Rows = NDArray[np.int64]
BINS: Final = 20  # of scores, for the distribution of false flags
KINDS: Final = ("view", "sublabel")


def detailed(
    examples: Sequence[Example], names: Sequence[str], scores: Floats, thresholds: Mapping[str, float], seed: int = 0
) -> dict[str, Any]:
    """Compute what stands on a card beside `report.figures`, from the same scores.

    Args:
        examples: What was scored.
        names: Labels in the order of the columns of `scores`.
        scores: float64 `(examples, labels)`.
        thresholds: Operating points of the labels that flag.
        seed: Of the bootstrap by patient.

    Returns:
        "by_label" for the highest score as the answer, "average_precision", "views", "sublabels", and
        "false_flags" for each label with a threshold.
    """
    truth, answer = np.array([names.index(example.label) for example in examples]), scores.argmax(axis=1)
    patients = np.array([example.patient for example in examples])
    draws = by_patient(patients.tolist(), seed)
    return {
        "by_label": {name: _four(truth == k, answer == k, patients, draws) for k, name in enumerate(names)},
        "average_precision": {
            name: {
                **with_interval(partial(_precision_on, truth == k, scores[:, k]), draws, len(truth)),
                "guessing": rounded(float((truth == k).mean())),
            }
            for k, name in enumerate(names)
        },
        **{f"{kind}s": _by(kind, examples, names, scores, thresholds) for kind in KINDS},
        "false_flags": {name: false_flags(examples, names, scores, name, at) for name, at in thresholds.items()},
    }


def four(positive: Flags, called: Flags) -> dict[str, float]:
    """Return sensitivity, specificity, precision and F1; NaN where there is nothing to divide by."""
    hit, missed = float((positive & called).sum()), float((positive & ~called).sum())
    wrong, spared = float((~positive & called).sum()), float((~positive & ~called).sum())
    return {
        "sensitivity": _ratio(hit, hit + missed),
        "specificity": _ratio(spared, spared + wrong),
        "precision": _ratio(hit, hit + wrong),
        "f1": _ratio(2 * hit, 2 * hit + wrong + missed),
    }


def false_flags(
    examples: Sequence[Example], names: Sequence[str], scores: Floats, label: str, threshold: float
) -> dict[str, Any]:
    """Tell how the scores of pictures without `label` are spread, and which sources are flagged falsely.

    Returns:
        Counts of 20 equal bins of [0, 1] for pictures with and without the label; quartiles and the 95th and
        99th percentile without; the share at or above the threshold for each source and label.
    """
    own = scores[:, names.index(label)]
    positive = np.array([example.label == label for example in examples])
    told: dict[str, Any] = {"threshold": round(threshold, 4), "bins": BINS}
    for name, where in (("with", positive), ("without", ~positive)):
        told[f"pictures_{name}"] = np.histogram(own[where], BINS, (0.0, 1.0))[0].tolist()
    if not positive.all():
        steps = (25, 50, 75, 95, 99)
        told["percentiles_without"] = {str(s): rounded(np.percentile(own[~positive], s)) for s in steps}
    groups = {f"{e.source}, {e.label}" for e in examples if e.label != label}
    told["flagged"] = {
        group: proportion(int((own[places] >= threshold).sum()), len(places))
        for group in sorted(groups)
        if (places := [p for p, e in enumerate(examples) if e.label != label and f"{e.source}, {e.label}" == group])
    }
    return told


def _four(
    positive: Flags, called: Flags, patients: NDArray[np.str_], draws: Sequence[Rows]
) -> dict[str, dict[str, float | None]]:
    def one(name: str) -> Callable[[Rows], float]:
        return lambda rows: four(positive[rows], called[rows])[name]

    told = {
        name: with_interval(one(name), draws, len(positive)) for name in ("sensitivity", "specificity", "precision")
    }
    for name, asked in (("sensitivity", positive), ("specificity", ~positive), ("precision", called)):
        if told[name]["value"] in (0.0, 1.0):  # a bootstrap cannot tell doubt where nothing differs
            trials = len(set(patients[asked]))
            exact = clopper_pearson(int(told[name]["value"] or 0) * trials, trials)
            told[name] |= {"low": rounded(exact.low), "high": rounded(exact.high)}
    return told | {"f1": with_interval(one("f1"), draws, len(positive))}


def _precision_on(positive: Flags, scores: Floats, rows: Rows) -> float:
    return average_precision(positive[rows], scores[rows])


def _by(
    kind: str, examples: Sequence[Example], names: Sequence[str], scores: Floats, thresholds: Mapping[str, float]
) -> dict[str, Any]:
    """Tell each value of a column of the manifest apart, beside its label, since it may come with two."""
    values = [f"{getattr(example, kind)}, {example.label}" for example in examples]
    right = scores.argmax(axis=1) == np.array([names.index(example.label) for example in examples])
    told = {}
    for value in sorted(set(values)):
        own = np.array([one == value for one in values])
        told[value] = {
            "answered_rightly": proportion(int(right[own].sum()), int(own.sum())),
            **{
                f"flagged_{name}": proportion(int((scores[own, names.index(name)] >= at).sum()), int(own.sum()))
                for name, at in thresholds.items()
            },
        }
    return told


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")
