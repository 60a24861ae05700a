"""What the drawings share: the size of a picture, grain, and bodies with soft edges."""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Gray = NDArray[np.uint8]
Floats = NDArray[np.float64]
SIDE: Final = 256  # pixels a side of most drawings


def grid() -> tuple[Floats, Floats]:
    """Return down and across of every pixel, from 0 to 1."""
    down, across = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    return down, across


def to_gray(picture: NDArray[np.floating], grain: float, rng: np.random.Generator) -> Gray:
    """Turn values from 0 to 1 into gray values, with grain of that deviation."""
    grainy = picture + rng.normal(0, grain + 1e-9, picture.shape)
    return np.asarray(np.clip(grainy, 0, 1) * 255, np.uint8)


def resized(picture: Gray, rows: int, columns: int) -> Gray:
    """Squash or stretch a picture."""
    return np.asarray(Image.fromarray(picture).resize((columns, rows), Image.Resampling.BILINEAR))


def cloud(cells: int, rng: np.random.Generator) -> Floats:
    """Smooth random values from 0 to 1, as coarse as `cells` a side."""
    coarse = Image.fromarray(rng.integers(0, 256, (cells, cells)).astype(np.uint8))
    return np.asarray(coarse.resize((SIDE, SIDE), Image.Resampling.BICUBIC)) / 255


def turned(angle: float, down: float, across: float) -> tuple[Floats, Floats]:
    """Return coordinates along and across an axis through a point, turned by an angle in radians."""
    y, x = grid()
    y, x = y - down, x - across
    return y * np.cos(angle) + x * np.sin(angle), x * np.cos(angle) - y * np.sin(angle)


def ellipse(centre: tuple[float, float], radii: tuple[float, float], angle: float = 0.0, soft: float = 0.05) -> Floats:
    """Return 1 inside an ellipse, 0 outside, `soft` of its radius in between; centre and radii are down, across."""
    along, beside = turned(angle, *centre)
    return np.clip((1 - np.hypot(along / radii[0], beside / radii[1])) / soft + 0.5, 0, 1)


def rod(start: tuple[float, float], end: tuple[float, float], thick: float) -> Floats:
    """Return the shadow of a round rod between two points (down, across): 1 on its axis, 0 outside."""
    y, x = grid()
    step = np.subtract(end, start)
    part = np.clip(((y - start[0]) * step[0] + (x - start[1]) * step[1]) / max(float(step @ step), 1e-6), 0, 1)
    distance = np.hypot(y - start[0] - part * step[0], x - start[1] - part * step[1])
    return np.asarray(np.sqrt(np.clip(1 - (distance / thick) ** 2, 0, 1)))
