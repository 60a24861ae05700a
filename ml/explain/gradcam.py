"""Grad-CAM on the last feature map.

Source: Selvaraju et al., Grad-CAM, ICCV 2017 (arXiv:1610.02391).
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ml.explain.heat import on_plane, raised
from ml.models.families.chain import MAP
from ml.models.frozen import Compute
from ml.vocabulary import PLANE_SIDE

METHOD: Final = "grad-cam-1"


class LastMap:
    """Grad-CAM of a trunk whose features all come from its last map."""

    method = METHOD

    def __init__(self, trunk: Any, prepare: Compute) -> None:
        import keras  # noqa: PLC0415 - TensorFlow
        import tensorflow as tf  # noqa: PLC0415

        model = keras.Model(trunk.input, [trunk.get_layer(MAP).output, trunk.output])

        def maps_and_slopes(planes: Any, column: Any) -> Any:
            given = prepare(planes)
            with tf.GradientTape() as tape:
                tape.watch(given)
                maps, features = model(given, training=False)
                logits = tf.linalg.matvec(features, column)
            return maps, tape.gradient(logits, maps)

        signature = (tf.TensorSpec((None, PLANE_SIDE, PLANE_SIDE), tf.uint8), tf.TensorSpec((None,), tf.float32))
        self.width = int(trunk.output_shape[-1])
        self._compute = tf.function(maps_and_slopes, input_signature=signature)

    def heat(
        self,
        planes: NDArray[np.uint8],
        column: NDArray[np.float32],
        mean: NDArray[np.float32],  # noqa: ARG002 - the shape of a way
    ) -> NDArray[np.float32]:
        """Return `(n, 512, 512)`, 0 to 1."""
        import tensorflow as tf  # noqa: PLC0415

        maps, slopes = self._compute(tf.constant(planes), tf.constant(column))
        return np.asarray(np.clip(on_plane(heat_of(maps.numpy(), slopes.numpy())), 0.0, 1.0), np.float32)


def heat_of(maps: NDArray[np.float32], slopes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Weigh each channel of a map by the mean of its slope, add up, and keep what raises the logit.

    Args:
        maps: `(n, rows, columns, channels)`.
        slopes: The logit's derivatives by them, of the same shape.

    Returns:
        float32 `(n, rows, columns)`, each scaled to a maximum of 1, or all 0.
    """
    return raised(np.einsum("nrck,nk->nrc", maps.astype(np.float64), slopes.astype(np.float64).mean(axis=(1, 2))))
