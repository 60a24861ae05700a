"""Where a model is computed, behind one interface. TensorFlow is imported only when a runtime is opened."""

from dataclasses import dataclass
from typing import Final, Protocol

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

    def compute(self, planes: NDArray[np.uint8]) -> None:
        """Do the work of `run` whether or not the planes are known, and keep nothing: for measuring."""
        ...

    def run(self, planes: NDArray[np.uint8]) -> Raw:
        """Compute planes of shape `(n, 512, 512)`; at most a batch at once. Never modifies them."""
        ...

    def run_anew(self, planes: NDArray[np.uint8]) -> Raw:
        """Do the same, and look up nothing that was computed before."""
        ...


@dataclass(frozen=True, slots=True)
class Way:
    """By what a model is computed, and how exactly."""

    runtime: str  # "tensorflow" or "openvino"
    precision: str  # "fp32" or "bf16"

    def __str__(self) -> str:
        return f"{self.runtime} {self.precision}"


EXACT: Final = Way("tensorflow", "fp32")  # what cards are written by


def open_runtime(bundle: Bundle, way: Way = EXACT) -> Runtime:
    """Build the graph of a checked bundle. Any way but `EXACT` has to be held against the reference scores.

    Raises:
        BundleError: `weights_do_not_fit` or `architecture_unknown`.
        ImportError: OpenVINO is wanted and not installed.
    """
    if way.runtime == "openvino":
        from ml.models.openvino_graph import OpenVinoGraph  # noqa: PLC0415 - imports TensorFlow and OpenVINO

        return OpenVinoGraph(bundle, way.precision)
    from ml.models.frozen import FrozenGraph  # noqa: PLC0415 - imports TensorFlow

    return FrozenGraph(bundle, way.precision)
