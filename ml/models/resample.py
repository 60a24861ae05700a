"""Shrink planes to a model's input with two matrix products: the same numbers in every runtime."""

import numpy as np
from numpy.typing import NDArray


def resampling_matrix(source: int, target: int) -> NDArray[np.float32]:
    """Return the matrix that resamples a line of `source` pixels to `target` pixels.

    A triangle filter as wide as the scale keeps fine structure from aliasing when shrinking and is plain
    linear interpolation when enlarging. Pixels are squares: centres lie at half-integers.

    Returns:
        float32, shape `(target, source)`; every row sums to 1.

    Example:
        >>> resampling_matrix(4, 2)[0].round(3)
        array([0.429, 0.429, 0.143, 0.   ], dtype=float32)
    """
    scale = source / target
    reach = max(scale, 1.0)
    centres = (np.arange(target) + 0.5) * scale
    distances = np.abs(centres[:, None] - (np.arange(source) + 0.5)[None, :])
    weights = np.maximum(0.0, 1.0 - distances / reach)
    matrix: NDArray[np.float32] = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    return matrix
