"""What can be told without looking at lungs: the least that a model has to beat.

If size, histogram or border of a picture give its label away, a high AUC says nothing about disease.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier

from ml.evaluation.metrics import Floats, auc, by_patient, with_interval
from ml.training.data import Example
from ml.training.features import clean_planes
from ml.vocabulary import PLANE_SIDE

BINS: Final = 32
THUMBNAIL: Final = 32  # pixels a side
RING: Final = 4  # pixels of the thumbnail: 12 %


def describe(examples: Sequence[Example]) -> dict[str, Floats]:
    """Return, for each trivial baseline, one row of numbers per example.

    `geometry` knows the file's size only, `histogram` the plane's gray values without their places,
    `border` the outer 12 % of the plane.
    """
    planes: Iterator[NDArray[np.uint8]] = clean_planes(examples)
    rows = [(_histogram(plane), _border(plane)) for plane in planes]
    return {
        "geometry": np.array([_geometry(example) for example in examples]),
        "histogram": np.array([row[0] for row in rows]),
        "border": np.array([row[1] for row in rows]),
    }


def out_of_fold(features: Floats, positive: NDArray[np.bool_], fold: NDArray[np.int64]) -> Floats:
    """Score every row with a model that never saw its patient."""
    scores = np.empty(len(positive))
    for number in np.unique(fold):
        held = fold == number
        scores[held] = fitted(features[~held], positive[~held])(features[held])
    return scores


def fitted(features: Floats, positive: NDArray[np.bool_]) -> Callable[[Floats], Floats]:
    """Fit a small random forest, which finds odd sizes that a line would miss; return rows to scores."""
    model = RandomForestClassifier(
        n_estimators=200, min_samples_leaf=3, class_weight="balanced_subsample", random_state=0
    )
    model.fit(features, positive)
    return lambda rows: np.asarray(model.predict_proba(rows)[:, 1])


def _auc_on(positive: NDArray[np.bool_], scores: Floats, rows: NDArray[np.int64]) -> float:
    return auc(positive[rows], scores[rows])


def compare(examples: Sequence[Example], scores: dict[str, Floats], label: str, seed: int = 0) -> dict[str, Any]:
    """Return the AUC of each baseline for `label` against the rest, with intervals by patient."""
    positive = np.array([example.label == label for example in examples])
    draws = by_patient([example.patient for example in examples], seed)
    return {name: with_interval(partial(_auc_on, positive, own), draws, len(positive)) for name, own in scores.items()}


def _geometry(example: Example) -> tuple[float, ...]:
    width, height = float(np.log(example.width)), float(np.log(example.height))
    return (example.width, example.height, width - height)


def _histogram(plane: NDArray[np.uint8]) -> Floats:
    counts = np.bincount(plane.reshape(-1) // (256 // BINS), minlength=BINS)
    return np.sqrt(counts / plane.size)


def _border(plane: NDArray[np.uint8]) -> Floats:
    cell = PLANE_SIDE // THUMBNAIL
    small = plane.reshape(THUMBNAIL, cell, THUMBNAIL, cell).mean(axis=(1, 3))
    inside = np.zeros((THUMBNAIL, THUMBNAIL), bool)
    inside[RING:-RING, RING:-RING] = True
    return np.asarray(small[~inside] / 255.0)
