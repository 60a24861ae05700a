"""What comes out of training, whichever way it was done."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ml.evaluation.metrics import Floats, by_patient, threshold_for_sensitivity
from ml.models.card import OperatingPoint
from ml.models.weights import Weights
from ml.training.config import Training
from ml.training.data import Example
from ml.training.head import Distance, Head


@dataclass(frozen=True, slots=True)
class Trained:
    """A model, and the out-of-fold scores of its training pictures."""

    trunk: Weights
    head: Head  # its temperature divided in
    distance: Distance
    threshold: float  # of the distance
    scores: Floats  # (examples, labels), out of fold, at the same temperature
    distances: Floats  # (examples,), out of fold, clean pictures
    how: dict[str, Any] = field(default_factory=dict)  # what was chosen and between what
    data: dict[str, Any] = field(default_factory=dict)  # how the pictures lay and how they are grouped


def operating_points(training: Training, examples: Sequence[Example], scores: Floats) -> dict[str, OperatingPoint]:
    """Place the thresholds by rule on out-of-fold scores, with their bootstrap range by patient."""
    patients = [example.patient for example in examples]
    draws = by_patient(patients, training.seed)
    points = {}
    for name in training.flag_labels:
        positive = np.array([example.label == name for example in examples])
        own = scores[:, training.labels.index(name)]
        value = threshold_for_sensitivity(positive, own, patients, training.sensitivity)
        drawn = [
            threshold_for_sensitivity(positive[rows], own[rows], [patients[row] for row in rows], training.sensitivity)
            for rows in draws
            if positive[rows].any()
        ]
        low, high = np.percentile(drawn, [2.5, 97.5])
        points[name] = OperatingPoint(
            value=_down(value),
            rule=(
                f"highest threshold that finds {training.sensitivity:.0%} of the patients, "
                "on scores of training pictures out of fold, folds grouped by patient"
            ),
            low=_down(low),
            high=_down(high),
        )
    return points


def _down(value: float) -> float:
    return float(np.floor(value * 1e4) / 1e4)  # rounding up could lose the patient who set it
