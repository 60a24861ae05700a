"""The TensorFlow runtime: input stage, trunk, head and distance in one frozen graph.

The only modules that import TensorFlow are reached through `ml.models.runtime.open_runtime` or by training.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ml.models import weights as w
from ml.models.architectures import Architecture, architecture_named, refuse_side
from ml.models.bundle import Bundle
from ml.models.resample import resampling_matrix
from ml.models.runtime import Raw
from ml.vocabulary import PLANE_SIDE

# A batch is filled up to one of these, so that kernels are prepared for six shapes and no more.
BATCH_SIZES: Final = (1, 2, 4, 8, 16, 32)

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


def filled_trunk(architecture: Architecture, side: int, weights: Mapping[str, NDArray[np.float32]]) -> Any:
    """Build a trunk and fill it.

    Raises:
        BundleError: `weights_do_not_fit` or `side_too_small`.
    """
    refuse_side(architecture, side)
    trunk = architecture.build(side)
    w.fill(trunk, weights)
    trunk.trainable = False
    return trunk


class FrozenGraph:
    """A bundle as one frozen TensorFlow graph in single precision."""

    name = "tensorflow"
    precision = "fp32"

    def __init__(self, bundle: Bundle) -> None:
        card, weights = bundle.card, w.read_weights(bundle.weights)
        architecture = architecture_named(card.architecture)
        trunk = filled_trunk(architecture, card.input_side, w.trunk_of(weights))
        w.check_head(weights, trunk.output_shape[-1], len(card.labels))
        self._graph = freeze(_whole(trunk, input_stage(architecture, card.input_side), weights))

    def run(self, planes: NDArray[np.uint8]) -> Raw:
        scores, distances = self._graph(_as_tensor(_filled_up(planes)))
        count = len(planes)
        return Raw(scores.numpy()[:count], distances.numpy()[:count])


def _whole(trunk: Any, prepare: Compute, weights: w.Weights) -> Compute:
    import tensorflow as tf  # noqa: PLC0415

    kernel, bias = tf.constant(weights[w.HEAD_KERNEL]), tf.constant(weights[w.HEAD_BIAS])
    mean, projection = tf.constant(weights[w.OOD_MEAN]), tf.constant(weights[w.OOD_PROJECTION])

    def compute(planes: Tensor) -> Tensor:
        features = trunk(prepare(planes), training=False)
        scores = tf.nn.softmax(tf.matmul(features, kernel) + bias)
        distances = tf.norm(tf.matmul(features - mean, projection), axis=1)
        return scores, distances

    return compute


def _filled_up(planes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    size = next((size for size in BATCH_SIZES if size >= len(planes)), len(planes))
    if size == len(planes):
        return planes
    return np.concatenate([planes, np.zeros((size - len(planes), *planes.shape[1:]), np.uint8)])


def _as_tensor(planes: NDArray[np.uint8]) -> Tensor:
    import tensorflow as tf  # noqa: PLC0415

    return tf.constant(planes)
