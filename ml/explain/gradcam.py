"""Grad-CAM: which places of a plane raise a label's score.

Source: Selvaraju et al., Grad-CAM, ICCV 2017 (arXiv:1610.02391). It tells where a network looked, not
whether it was right, and a map says nothing about how high a score is: each is scaled to its own maximum.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ml.evaluation.field import FIELD_VERSION, central_field
from ml.models import weights as w
from ml.models.architectures import architecture_named
from ml.models.bundle import Bundle
from ml.models.card import BundleError
from ml.models.families.chain import MAP
from ml.models.frozen import filled_trunk, input_stage
from ml.models.resample import resampling_matrix
from ml.vocabulary import PLANE_SIDE

METHOD: Final = "grad-cam-1"  # changes whenever the same plane would give another map


@dataclass(frozen=True, slots=True)
class Explanation:
    """Where a label's score comes from."""

    label: str
    heat: NDArray[np.float32]  # (512, 512), of the plane; 0 to 1, and all 0 if nothing raises the score
    outside: float | None  # part of the heat that lies outside the central field; None if there is no heat
    method: str = METHOD
    field: str = FIELD_VERSION


class Explainer:
    """A loaded model that is asked where it looked. Not safe for use by two threads at once."""

    def __init__(self, bundle: Bundle) -> None:
        """Build the graph of a checked bundle.

        Raises:
            BundleError: `weights_do_not_fit` or `architecture_unknown`.
        """
        import keras  # noqa: PLC0415 - TensorFlow

        weights = w.read_bundle(bundle)
        architecture = architecture_named(bundle.card.architecture)
        trunk = filled_trunk(architecture, bundle.card.input_side, w.trunk_of(weights))
        w.check_head(weights, trunk.output_shape[-1], len(bundle.card.labels))
        self.labels = bundle.card.labels
        self._kernel = weights[w.HEAD_KERNEL]
        self._prepare = input_stage(architecture, bundle.card.input_side)
        self._model = keras.Model(trunk.input, [trunk.get_layer(MAP).output, trunk.output])
        self._compute = _compiled(self._maps_and_slopes)

    def explain(self, planes: NDArray[np.uint8], label: str) -> list[Explanation]:
        """Explain one label's score on some planes.

        Args:
            planes: uint8 `(n, 512, 512)`, a batch at most.
            label: One of the card's.

        Raises:
            BundleError: `label_unknown`.
        """
        import tensorflow as tf  # noqa: PLC0415

        if label not in self.labels:
            raise BundleError(
                "label_unknown",
                f"The model has no label {label!r}.",
                f"Name one of {', '.join(self.labels)}.",
            )
        column = self._kernel[:, self.labels.index(label)]
        maps, slopes = self._compute(tf.constant(planes), tf.constant(column))
        return [_explanation(label, heat) for heat in heat_of(maps.numpy(), slopes.numpy())]

    def _maps_and_slopes(self, planes: Any, column: Any) -> Any:
        import tensorflow as tf  # noqa: PLC0415

        given = self._prepare(planes)
        with tf.GradientTape() as tape:
            tape.watch(given)
            maps, features = self._model(given, training=False)
            logits = tf.linalg.matvec(features, column)
        return maps, tape.gradient(logits, maps)


def heat_of(maps: NDArray[np.float32], slopes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Weigh each channel of a map by the mean of its slope, add up, and keep what raises the logit.

    Args:
        maps: `(n, rows, columns, channels)`.
        slopes: The logit's derivatives by them, of the same shape.

    Returns:
        float32 `(n, rows, columns)`, each scaled to a maximum of 1, or all 0.
    """
    sums = np.einsum("nrck,nk->nrc", maps.astype(np.float64), slopes.astype(np.float64).mean(axis=(1, 2)))
    raised = np.maximum(sums, 0.0)
    largest = raised.max(axis=(1, 2), keepdims=True)
    return np.asarray(np.divide(raised, largest, out=np.zeros_like(raised), where=largest > 0), np.float32)


def outside_of(heat: NDArray[np.float32]) -> float | None:
    """Return the part of the heat of a square map that lies outside the central field, 0 to 1."""
    total = float(heat.sum(dtype=np.float64))
    within = float(heat[central_field(heat.shape[0])].sum(dtype=np.float64))
    return None if total == 0 else 1.0 - within / total


def _explanation(label: str, heat: NDArray[np.float32]) -> Explanation:
    matrix = resampling_matrix(heat.shape[0], PLANE_SIDE)
    whole = np.asarray(np.clip(matrix @ heat @ matrix.T, 0.0, 1.0), np.float32)
    return Explanation(label, whole, outside_of(whole))


def _compiled(compute: Any) -> Any:
    import tensorflow as tf  # noqa: PLC0415

    signature = (tf.TensorSpec((None, PLANE_SIDE, PLANE_SIDE), tf.uint8), tf.TensorSpec((None,), tf.float32))
    return tf.function(compute, input_signature=signature)


def explain_all(explainer: Explainer, planes: Sequence[bytes], label: str) -> list[Explanation]:
    """Explain planes given as 512 * 512 bytes each."""
    stacked = np.frombuffer(b"".join(planes), np.uint8).reshape(len(planes), PLANE_SIDE, PLANE_SIDE)
    return explainer.explain(stacked, label)
