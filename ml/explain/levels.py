"""Grad-CAM where the features are the means of several maps: each logit is then an exact sum over places.

On a map that reaches the logit through its mean alone, the slopes of Grad-CAM are the head's own weights (Zhou et al.,
Learning Deep Features for Discriminative Localization, CVPR 2016, arXiv:1512.04150; Selvaraju et al., section 3.1).
With several such maps each gives a map of its own, and these are added up. Early maps are far from 0 everywhere, so
what is weighed is the difference from the mean of the training pictures: averaged over all places, a map that was not
yet cut off at 0 is the label's logit less its logit on the mean training picture.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ml.explain.heat import on_plane, raised
from ml.models.families.chain import LEVEL
from ml.models.frozen import Compute, freeze

METHOD: Final = "grad-cam-levels-2"


class Levels:
    """The heat of a trunk with `+levels`."""

    method = METHOD

    def __init__(self, trunk: Any, prepare: Compute) -> None:
        """Take the trunk apart.

        Args:
            trunk: As a Keras model, its levels in the order of the features.
            prepare: The input stage.
        """
        import keras  # noqa: PLC0415 - TensorFlow

        named = [layer for layer in trunk.layers if layer.name.startswith(LEVEL)]
        in_turn = sorted(named, key=lambda layer: int(layer.name.removeprefix(LEVEL)))
        model = keras.Model(trunk.input, [layer.output for layer in in_turn])
        self.width = int(trunk.output_shape[-1])
        self._compute = freeze(lambda planes: model(prepare(planes), training=False))

    def heat(
        self, planes: NDArray[np.uint8], column: NDArray[np.float32], mean: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Return `(n, 512, 512)`, 0 to 1; `mean` is float32 `(features,)`, of the training pictures."""
        return raised(parts_of(self.maps(planes), column, mean))

    def maps(self, planes: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """Return `(n, rows, columns, channels)` of each level, the earliest first.

        One operation after the other: in a graph that branches at every level, which thread goes on with the trunk is
        chance else, and with it the order of its sums. The same plane has to give the same map.
        """
        import tensorflow as tf  # noqa: PLC0415
        from tensorflow.python.eager import context  # noqa: PLC0415

        with context.function_executor_type("SINGLE_THREADED_EXECUTOR"):
            return [one.numpy() for one in self._compute(tf.constant(planes))]


def parts_of(
    maps: Sequence[NDArray[np.float32]], column: NDArray[np.float32], mean: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Return what each place adds to a logit.

    Args:
        maps: Of each level, `(n, rows, rows, channels)`; the channels in the order of the features.
        column: float32 `(features,)`, the head's weights of a label.
        mean: float32 `(features,)`, what a feature is compared with.

    Returns:
        float64 `(n, 512, 512)`, whose mean over all places is about the logit less that of `mean`, without its bias:
        exactly so before each map was resampled.
    """
    of_a_size: dict[int, NDArray[np.float64]] = {}  # resampling costs most: it is done once for maps of one size
    ends = np.cumsum([one.shape[-1] for one in maps])
    for level, end in zip(maps, ends, strict=True):
        own = slice(end - level.shape[-1], end)
        weights = column[own].astype(np.float64)
        part = level.astype(np.float64) @ weights - mean[own].astype(np.float64) @ weights
        of_a_size[part.shape[-1]] = of_a_size.get(part.shape[-1], 0.0) + part
    return np.asarray(sum(map(on_plane, of_a_size.values())))
