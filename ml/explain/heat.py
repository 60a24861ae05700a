"""What a map of sums has in common with every other: only what raises the score counts, and the most of it is 1."""

import numpy as np
from numpy.typing import NDArray

from ml.models.resample import resampling_matrix
from ml.vocabulary import PLANE_SIDE


def raised(sums: NDArray[np.float64]) -> NDArray[np.float32]:
    """Keep what raises a logit.

    Args:
        sums: `(n, rows, columns)`, in parts of the logit.

    Returns:
        float32 of the same shape, each scaled to a maximum of 1, or all 0.
    """
    kept = np.maximum(sums, 0.0)
    largest = kept.max(axis=(1, 2), keepdims=True)
    return np.asarray(np.divide(kept, largest, out=np.zeros_like(kept), where=largest > 0), np.float32)


def on_plane(heat: NDArray[np.floating]) -> NDArray[np.float64]:
    """Resample square maps `(n, side, side)` to `(n, 512, 512)`."""
    matrix = resampling_matrix(heat.shape[-1], PLANE_SIDE)
    return np.asarray(matrix @ heat.astype(np.float64) @ matrix.T)
