"""Which places of a plane raise a label's score, told in the way that fits the model's architecture.

A map says where a network looked, not whether it was right, and nothing about how high a score is: each is scaled to
its own maximum.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Final, Protocol
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from ml.evaluation.field import FIELD_VERSION, central_field
from ml.explain.gradcam import LastMap
from ml.explain.levels import Levels
from ml.models import weights as w
from ml.models.architectures import Architecture, architecture_named
from ml.models.bundle import Bundle
from ml.models.card import BundleError, Card
from ml.models.frozen import filled_trunk, input_stage
from ml.vocabulary import PLANE_SIDE


@dataclass(frozen=True, slots=True)
class Explanation:
    """Where a label's score comes from."""

    label: str
    heat: NDArray[np.float32]  # (512, 512), of the plane; 0 to 1, and all 0 if nothing raises the score
    outside: float | None  # part of the heat that lies outside the central field; None if there is no heat
    method: str
    field: str = FIELD_VERSION


class Way(Protocol):
    """How heat is computed."""

    width: int  # features
    method: str  # changes whenever the same plane would give another map

    def heat(
        self, planes: NDArray[np.uint8], column: NDArray[np.float32], mean: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Return `(n, 512, 512)` for uint8 planes `(n, 512, 512)`, the head's column of a label and mean features."""
        ...


_WAYS: Final[WeakValueDictionary[str, Way]] = WeakValueDictionary()  # of trunks that some model in memory uses
_BUILDING: Final = Lock()


class Explainer:
    """A loaded model that is asked where it looked.

    Not safe for use by two threads at once, nor are two on one trunk: they share its graph.
    """

    def __init__(self, bundle: Bundle) -> None:
        """Build the graph of a checked bundle.

        Raises:
            BundleError: `weights_do_not_fit` or `architecture_unknown`.
        """
        weights = w.read_bundle(bundle)
        architecture = architecture_named(bundle.card.architecture)
        self._way = _way(architecture, bundle.card, w.trunk_of(weights))
        w.check_head(weights, self._way.width, len(bundle.card.labels))
        self.labels = bundle.card.labels
        self._kernel, self._mean = weights[w.HEAD_KERNEL], weights[w.OOD_MEAN]

    def explain(self, planes: NDArray[np.uint8], label: str) -> list[Explanation]:
        """Explain one label's score on some planes.

        Args:
            planes: uint8 `(n, 512, 512)`, a batch at most.
            label: One of the card's.

        Raises:
            BundleError: `label_unknown`.
        """
        if label not in self.labels:
            raise BundleError(
                "label_unknown",
                f"The model has no label {label!r}.",
                f"Name one of {', '.join(self.labels)}.",
            )
        heats = self._way.heat(planes, self._kernel[:, self.labels.index(label)], self._mean)
        return [Explanation(label, heat, outside_of(heat), self._way.method) for heat in heats]


def _way(architecture: Architecture, card: Card, weights: w.Weights) -> Way:
    """Build the graph of a trunk, or give that of another model on the same one: it takes a second or two."""
    name = f"{card.architecture}|{card.input_side}|{w.digest(weights)}"
    with _BUILDING:
        way = _WAYS.get(name)
        if way is None:
            trunk = filled_trunk(architecture, card.input_side, weights)
            prepare = input_stage(architecture, card.input_side)
            has_levels = architecture.neck.levels is not None
            way = _WAYS[name] = Levels(trunk, prepare) if has_levels else LastMap(trunk, prepare)
        return way


def outside_of(heat: NDArray[np.float32]) -> float | None:
    """Return the part of the heat of a square map that lies outside the central field, 0 to 1."""
    total = float(heat.sum(dtype=np.float64))
    within = float(heat[central_field(heat.shape[0])].sum(dtype=np.float64))
    return None if total == 0 else 1.0 - within / total


def explain_all(explainer: Explainer, planes: Sequence[bytes], label: str) -> list[Explanation]:
    """Explain planes given as 512 * 512 bytes each."""
    stacked = np.frombuffer(b"".join(planes), np.uint8).reshape(len(planes), PLANE_SIDE, PLANE_SIDE)
    return explainer.explain(stacked, label)
