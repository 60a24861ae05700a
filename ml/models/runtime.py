"""Where a model is computed, behind one interface. TensorFlow is imported only when a runtime is opened."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ml.models.bundle import Bundle


@dataclass(frozen=True, slots=True)
class Raw:
    """What a graph gives, float32: `scores` `(n, labels)` in [0, 1], `distances` `(n,)`, at least 0."""

    scores: NDArray[np.float32]
    distances: NDArray[np.float32]


class Runtime(Protocol):
    """Computes planes with one model."""

    name: str
    precision: str

    def run(self, planes: NDArray[np.uint8]) -> Raw:
        """Compute planes of shape `(n, 512, 512)`; at most a batch at once. Never modifies them."""
        ...


def open_runtime(bundle: Bundle) -> Runtime:
    """Build the frozen graph of a checked bundle.

    Raises:
        BundleError: `weights_do_not_fit` or `architecture_unknown`.
    """
    from ml.models.frozen import FrozenGraph  # noqa: PLC0415 - imports TensorFlow

    return FrozenGraph(bundle)
