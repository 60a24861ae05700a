"""Fit the gate's network and its typical pictures to rows of numbers: the same weights from the same rows."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

from ml.images.gate import CLASSES, KINDS, VERSION, GateWeights, distances
from ml.images.gate_features import Numbers
from ml.training.gate_rows import CLEAN, DEGRADED, PHANTOM, Rows

Picked = NDArray[np.bool_]
LEAST: Final = 1e-2  # deviation of a feature that hardly varies


@dataclass(frozen=True, slots=True)
class GateTraining:
    """Fixed before training."""

    version: str = VERSION
    seed: int = 1
    folds: int = 5
    hidden: int = 64
    penalty: float = 0.01  # L2
    passes: int = 12  # over all rows
    axes: int = 64  # main directions in which distances are measured
    typical: int = 200  # groups of alike chest pictures of each kind
    typical_drawn: int = 32  # and of drawn ones
    refused: float = 0.004  # part of chest pictures that the threshold may refuse, out of fold
    kept: float = 0.994  # part of chest pictures within the limit of distance, out of fold


def fit_gate(rows: Rows, taught: Picked, training: GateTraining) -> GateWeights:
    """Fit network and typical pictures to the rows picked. Threshold and limits are not placed yet."""
    with threadpool_limits(1):  # sums in one order, whatever the machine
        first, first_bias, second, second_bias = _network(rows.features[taught], rows.truth[taught], training)
        centre, axes = _axes(rows.features[taught & np.isin(rows.family, (CLEAN, DEGRADED))], training.axes)
        bare = GateWeights(first, first_bias, second, second_bias, centre, axes, (), (1.0,) * len(KINDS))
        return replace(bare, typical=tuple(_typical(rows, taught, bare, kind, training) for kind in range(len(KINDS))))


def scores_of(features: Numbers, weights: GateWeights) -> NDArray[np.float64]:
    """Score rows as `ml.images.gate.decide` does one: `(rows, 5)`."""
    hidden = np.maximum(features @ weights.first + weights.first_bias, 0)
    logits = (hidden @ weights.second + weights.second_bias).astype(np.float64)
    parts = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(parts / parts.sum(axis=1, keepdims=True))


def distances_of(features: Numbers, weights: GateWeights) -> NDArray[np.float64]:
    """Measure rows, some hundred at once, as `ml.images.gate.distances` does: `(rows, 2)`."""
    return np.concatenate([distances(part, weights) for part in np.array_split(features, len(features) // 500 + 1)])


def _network(features: Numbers, truth: NDArray[np.int64], training: GateTraining) -> tuple[Numbers, ...]:
    mean, deviation = features.mean(axis=0), features.std(axis=0) + LEAST
    model = MLPClassifier(
        (training.hidden,),
        alpha=training.penalty,
        batch_size=min(256, len(truth)),
        random_state=training.seed,
    )
    standard = ((features - mean) / deviation).astype(np.float32)
    for _ in range(training.passes):
        model.partial_fit(standard, truth, classes=np.arange(len(CLASSES)))
    first = (model.coefs_[0] / deviation[:, None]).astype(np.float32)
    bias = (model.intercepts_[0] - mean @ first).astype(np.float32)
    return first, bias, model.coefs_[1].astype(np.float32), model.intercepts_[1].astype(np.float32)


def _axes(chest: Numbers, count: int) -> tuple[Numbers, Numbers]:
    centre, deviation = chest.mean(axis=0), chest.std(axis=0) + LEAST
    standard = ((chest - centre) / deviation).astype(np.float64)
    _, directions = np.linalg.eigh(standard.T @ standard / len(standard))
    axes = directions[:, ::-1][:, :count] / deviation[:, None]
    return centre.astype(np.float32), axes.astype(np.float32)


def _typical(rows: Rows, taught: Picked, weights: GateWeights, kind: int, training: GateTraining) -> Numbers:
    own = taught & (rows.truth == kind)
    wanted = (((CLEAN, DEGRADED), training.typical), ((PHANTOM,), training.typical_drawn))
    found = []
    for families, count in wanted:
        places = (rows.features[own & np.isin(rows.family, families)] - weights.centre) @ weights.axes
        groups = KMeans(min(count, len(places)), n_init=1, random_state=training.seed).fit(places)
        found.append(groups.cluster_centers_.astype(np.float32))
    return np.concatenate(found)
