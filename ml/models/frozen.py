"""The TensorFlow runtime: input stage and trunk in one frozen graph that models on it share; the rest in NumPy.

The only modules that import TensorFlow are reached through `ml.models.runtime.open_runtime` or by training.
"""

import threading
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ml.models import weights as w
from ml.models.architectures import Architecture, architecture_named, refuse_side
from ml.models.bundle import Bundle
from ml.models.cores import cores
from ml.models.precision import FP32, POLICIES, computing_in
from ml.models.resample import resampling_matrix
from ml.models.runtime import Raw
from ml.models.sharing import Trunks
from ml.vocabulary import PLANE_SIDE

# A batch is filled up to one of these, so that kernels are prepared for seven shapes and no more.
BATCH_SIZES: Final = (1, 2, 4, 8, 16, 32, 64)
BRANCHES: Final = (1, 2, 4)  # parts of a batch that processors compute beside each other; none may be empty

TRUNKS: Final = Trunks()
BUILDING: Final = threading.Lock()

Tensor = Any
Compute = Callable[[Tensor], Tensor]


def input_stage(architecture: Architecture, side: int) -> Compute:
    """Return the function from uint8 planes `(n, 512, 512)` to the trunk's input `(n, side, side, 1)`.

    Training and serving share it.
    """
    import tensorflow as tf  # noqa: PLC0415

    matrix = resampling_matrix(PLANE_SIDE, side)
    rows, columns = tf.constant(matrix), tf.constant(matrix.T.copy())

    def prepare(planes: Tensor) -> Tensor:
        gray = tf.cast(planes, tf.float32)
        small = tf.matmul(rows, tf.matmul(gray, columns))
        return ((small - architecture.gray_mean) / architecture.gray_scale)[..., tf.newaxis]

    return prepare


def freeze(compute: Compute) -> Compute:
    """Turn a function of uint8 planes into a graph whose variables are constants, compiled once."""
    import tensorflow as tf  # noqa: PLC0415
    from tensorflow.python.framework.convert_to_constants import (  # noqa: PLC0415
        convert_variables_to_constants_v2,
    )

    planes = tf.TensorSpec((None, PLANE_SIDE, PLANE_SIDE), tf.uint8)
    concrete = tf.function(compute).get_concrete_function(planes)
    frozen: Compute = convert_variables_to_constants_v2(concrete)
    return frozen


def filled_trunk(
    architecture: Architecture, side: int, weights: Mapping[str, NDArray[np.float32]], precision: str = FP32
) -> Any:
    """Build a trunk and fill it. Safe to call from several threads.

    Raises:
        BundleError: `weights_do_not_fit` or `side_too_small`.
    """
    refuse_side(architecture, side)
    with BUILDING, computing_in(POLICIES[precision]):  # in some versions Keras keeps its policy for all threads
        trunk = architecture.build(side)
    w.fill(trunk, weights)
    trunk.trainable = False
    return trunk


class FrozenGraph:
    """A bundle's trunk as a frozen TensorFlow graph, then two products of matrices in single precision.

    Args:
        bundle: Opened by `load_bundle`.
        precision: Of the trunk: "fp32", or "bf16", which has to be held against the reference scores.
    """

    name = "tensorflow"

    def __init__(self, bundle: Bundle, precision: str = FP32) -> None:
        self.precision = precision
        card, weights = bundle.card, w.read_bundle(bundle)
        trunk = w.trunk_of(weights)
        architecture = architecture_named(card.architecture)
        name = f"{self.name}|{precision}|{card.architecture}|{card.input_side}|{w.digest(trunk)}"
        self._trunk = TRUNKS.get(name, lambda: self._compiled(architecture, card.input_side, trunk), self)
        w.check_head(weights, self._trunk.width, len(card.labels))
        self._kernel, self._bias = weights[w.HEAD_KERNEL], weights[w.HEAD_BIAS]
        self._mean, self._projection = weights[w.OOD_MEAN], weights[w.OOD_PROJECTION]

    def compute(self, planes: NDArray[np.uint8]) -> None:
        """Compute planes without looking up whether they are known: what is measured is the work."""
        self._trunk.compute(planes)

    def _compiled(self, architecture: Architecture, side: int, weights: w.Weights) -> tuple[Compute, int]:
        return _frozen(architecture, side, weights, self.precision)

    def run(self, planes: NDArray[np.uint8]) -> Raw:
        return self._answer(self._trunk.features(planes))

    def run_anew(self, planes: NDArray[np.uint8]) -> Raw:
        return self._answer(self._trunk.compute(planes))

    def _answer(self, features: NDArray[np.float32]) -> Raw:
        with np.errstate(all="ignore"):  # what is not finite is told from the numbers, picture by picture
            logits = features @ self._kernel + self._bias
            raised = np.exp(logits - logits.max(axis=1, keepdims=True))
            distances = np.linalg.norm((features - self._mean) @ self._projection, axis=1)
            return Raw(raised / raised.sum(axis=1, keepdims=True), distances)


def _frozen(architecture: Architecture, side: int, weights: w.Weights, precision: str) -> tuple[Compute, int]:
    """Return the function from planes `(n, 512, 512)` to features, and how many features there are."""
    import tensorflow as tf  # noqa: PLC0415

    if precision == FP32:  # GPUs else compute "single precision" with ten bits of it
        tf.config.experimental.enable_tensor_float_32_execution(False)
    trunk = filled_trunk(architecture, side, weights, precision)
    prepare = input_stage(architecture, side)
    branches = 1 if tf.config.list_physical_devices("GPU") else max(many for many in BRANCHES if many <= cores())
    graph = freeze(_shared_out(lambda planes: tf.cast(trunk(prepare(planes), training=False), tf.float32), branches))

    alone = threading.Lock()  # fused operations of one graph, called by two threads at once, end the process

    def compute(planes: NDArray[np.uint8]) -> NDArray[np.float32]:
        tensor = _as_tensor(_filled_up(planes, branches))
        with alone:  # a model is warmed up on a trunk that another computes with
            given = graph(tensor)
        features: NDArray[np.float32] = (given[0] if isinstance(given, list | tuple) else given).numpy()
        return features[: len(planes)]

    return compute, int(trunk.output_shape[-1])


def _shared_out(features: Compute, branches: int) -> Compute:
    """Let parts of a batch be computed beside each other, in one graph: see `ml.models.cores`."""
    import tensorflow as tf  # noqa: PLC0415

    if branches == 1:
        return features

    def together(planes: Tensor) -> Tensor:
        size = (tf.shape(planes)[0] + branches - 1) // branches
        return tf.concat([features(planes[at * size : (at + 1) * size]) for at in range(branches)], axis=0)

    return together


def _filled_up(planes: NDArray[np.uint8], least: int) -> NDArray[np.uint8]:
    size = next((size for size in BATCH_SIZES if size >= max(least, len(planes))), len(planes))
    if size == len(planes):
        return planes
    return np.concatenate([planes, np.zeros((size - len(planes), *planes.shape[1:]), np.uint8)])


def _as_tensor(planes: NDArray[np.uint8]) -> Tensor:
    import tensorflow as tf  # noqa: PLC0415

    return tf.constant(planes)
