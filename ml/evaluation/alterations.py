"""Planes with a part taken away: what a model still knows then, it does not know from that part.

What is taken away is filled with the mean of what stays, never of the whole, so that nothing of it remains.

Source:
    Maguolo and Nanni, A Critic Evaluation of Methods for COVID-19 Automatic Detection from X-Ray Images,
    arXiv:2004.12823 (lungs blackened out; here without masks).
"""

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ml.evaluation.field import central_field
from ml.vocabulary import PLANE_SIDE

Plane = NDArray[np.uint8]  # (512, 512)
Alteration = Callable[[Plane, int], Plane]  # a plane and a seed of its picture

RING: Final = 0.12  # of each side
GRID: Final = 8  # blocks, and pixels of the thumbnail, a side

FIELD: Final = central_field(PLANE_SIDE)


def _border() -> NDArray[np.bool_]:
    edge = round(PLANE_SIDE * RING)
    ring = np.ones((PLANE_SIDE, PLANE_SIDE), bool)
    ring[edge:-edge, edge:-edge] = False
    return ring


BORDER: Final = _border()


def keep(plane: Plane, where: NDArray[np.bool_]) -> Plane:
    """Return the plane with everything outside `where` filled with the mean of what lies within."""
    return np.where(where, plane, np.uint8(round(float(plane[where].mean()))))


def original(plane: Plane, _: int) -> Plane:
    """Return the plane as it is."""
    return plane


def no_lungs(plane: Plane, _: int) -> Plane:
    """Fill the central field: what is left is shoulders, neck, belly, markers and the middle line."""
    return keep(plane, ~FIELD)


def lungs_only(plane: Plane, _: int) -> Plane:
    """Fill everything but the central field."""
    return keep(plane, FIELD)


def border_only(plane: Plane, _: int) -> Plane:
    """Keep the outer 12 % of each side."""
    return keep(plane, BORDER)


def blocks_shuffled(plane: Plane, seed: int) -> Plane:
    """Cut the plane into 8 x 8 blocks and lay them in an order drawn for this picture: texture without anatomy."""
    cell = PLANE_SIDE // GRID
    blocks = plane.reshape(GRID, cell, GRID, cell).swapaxes(1, 2).reshape(GRID * GRID, cell, cell)
    order = np.random.Generator(np.random.PCG64(seed)).permutation(GRID * GRID)
    return blocks[order].reshape(GRID, GRID, cell, cell).swapaxes(1, 2).reshape(PLANE_SIDE, PLANE_SIDE)


def thumbnail(plane: Plane, _: int) -> Plane:
    """Average the plane over 8 x 8 cells: brightness and pose, no finding."""
    cell = PLANE_SIDE // GRID
    means = plane.reshape(GRID, cell, GRID, cell).mean(axis=(1, 3))
    return np.repeat(np.repeat(np.floor(means + 0.5).astype(np.uint8), cell, 0), cell, 1)


ORIGINAL: Final = "original"
NO_LUNGS: Final = "no_lungs"
BORDER_ONLY: Final = "border_only"
ALTERATIONS: Final[Mapping[str, Alteration]] = {
    ORIGINAL: original,
    NO_LUNGS: no_lungs,
    "lungs_only": lungs_only,
    BORDER_ONLY: border_only,
    "blocks_shuffled": blocks_shuffled,
    "thumbnail_8x8": thumbnail,
}
