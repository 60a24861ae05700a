"""Lay a heat map over the picture that it belongs to."""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ml.vocabulary import PLANE_BORDER

STRONGEST: Final = 0.55  # opacity where the heat is 1
# Black over red and orange to a light yellow: brighter is always hotter, also without telling colours apart.
HUES: Final = np.array([(0, 0, 0), (150, 20, 60), (240, 110, 20), (255, 235, 120)], np.float32)


def overlay(gray: NDArray[np.uint8], heat: NDArray[np.float32], *, border: float = PLANE_BORDER) -> NDArray[np.uint8]:
    """Lay heat over a gray picture.

    Args:
        gray: uint8 `(rows, columns)`: a whole picture, of which the plane is all but the border.
        heat: float32 `(rows, columns)` of any size, 0 to 1: of the plane.
        border: Part of each side that the plane leaves out; 0 if `gray` is a plane itself.

    Returns:
        uint8 `(rows, columns, 3)`. What the model never saw has no heat.

    Raises:
        ValueError: a shape, a type or a value is another.
    """
    if gray.ndim != 2 or gray.dtype != np.uint8 or 0 in gray.shape:
        raise ValueError(f"a picture is uint8 (rows, columns), got {gray.dtype} {gray.shape}")
    if heat.ndim != 2 or not np.isfinite(heat).all() or heat.min() < 0 or heat.max() > 1:
        raise ValueError("heat is (rows, columns), every value from 0 to 1")
    spread = _spread(heat, gray.shape, border)[..., None]
    opacity = STRONGEST * spread
    mixed = gray[..., None].astype(np.float32) * (1 - opacity) + _hue(spread[..., 0]) * opacity
    return np.asarray(np.rint(mixed), np.uint8)


def _spread(heat: NDArray[np.float32], shape: tuple[int, ...], border: float) -> NDArray[np.float32]:
    """Enlarge the heat to the part of the picture that the plane was made of."""
    rows, columns = shape
    top, left = round(rows * border), round(columns * border)
    size = (columns - 2 * left, rows - 2 * top)
    inner = Image.fromarray(np.ascontiguousarray(heat, np.float32)).resize(size, Image.Resampling.BILINEAR)
    whole = np.zeros((rows, columns), np.float32)
    whole[top : rows - top, left : columns - left] = np.clip(np.asarray(inner), 0.0, 1.0)
    return whole


def _hue(heat: NDArray[np.float32]) -> NDArray[np.float32]:
    places = np.linspace(0.0, 1.0, len(HUES))
    return np.stack([np.interp(heat, places, HUES[:, channel]) for channel in range(3)], axis=-1).astype(np.float32)
