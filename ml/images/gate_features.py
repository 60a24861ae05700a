"""The numbers that the gate decides on: what a plane shows at 24, 64 and 128 pixels a side. NumPy only."""

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ml.models.resample import resampling_matrix
from ml.vocabulary import PLANE_SIDE

Numbers = NDArray[np.float32]
Sums = NDArray[np.int16]  # of pixels: whole numbers, so that what is added up is exact in any order
COARSE: Final = 24  # pixels a side of the thumbnail
MIDDLE: Final = 64  # pixels a side of the picture whose directions of edges count
FINE: Final = 128  # pixels a side of the picture in which straight lines and fine structure count
CELLS: Final = 8  # a side
DIRECTIONS: Final = 8  # of edges, without sign: 0 to 180 degrees
BANDS: Final = 32  # of columns, and of rows, for straight lines
FLAT: Final = 2.0  # in gray values: differences below it are grain
BINS: Final = 16  # of the histogram
BLOCK: Final = (PLANE_SIDE // FINE) ** 2  # pixels of the plane in one of the fine picture
LANES: Final = np.uint64(0x00FF00FF00FF00FF)

FEATURES: Final = COARSE**2 + CELLS**2 * (DIRECTIONS + 2) + 4 * BANDS + BINS + 6


def describe(plane: NDArray[np.uint8]) -> Numbers:
    """Describe a plane.

    Args:
        plane: uint8 `(512, 512)`. Never modified.

    Returns:
        float32 `(FEATURES,)`: a thumbnail of mean 0 and deviation 1; for each of 8 x 8 cells the part of edges in
        each of 8 directions, how much edge there is, and how much fine structure; for bands of columns and of rows
        the strongest line along them, and how straight it is; the histogram; how alike the halves left and right,
        above and below, and the two diagonals are, how much is flat, black, white.

    Source:
        Cells of edge directions: Dalal and Triggs, Histograms of Oriented Gradients, CVPR 2005.
    """
    sums = _sums(plane)
    middle = sums[::2, ::2] + sums[::2, 1::2] + sums[1::2, ::2] + sums[1::2, 1::2]
    matrix = _matrix()
    coarse = matrix @ (middle / np.float32(4 * BLOCK)) @ matrix.T
    unit = (coarse - coarse.mean()) / max(float(coarse.std()), FLAT)
    counts = np.bincount((sums // (BLOCK * 256 // BINS)).reshape(-1), minlength=BINS)
    alike = [(unit * other).mean() for other in (unit[:, ::-1], unit[::-1], unit.T)]
    down, across = sums[1:] - sums[:-1], sums[:, 1:] - sums[:, :-1]
    level = (np.abs(down[:, :-1]) < BLOCK // 2) & (np.abs(across[:-1]) < BLOCK // 2)
    even = [np.count_nonzero(where) / where.size for where in (level, sums < 2 * BLOCK, sums > 253 * BLOCK)]
    parts = (
        unit.reshape(-1),
        _edges(middle),
        _grain(sums),
        _lines(across, 0),
        _lines(down, 1),
        np.sqrt(counts / sums.size),
        np.array([*alike, *even]),
    )
    return np.concatenate(parts).astype(np.float32)


def _sums(plane: NDArray[np.uint8]) -> Sums:
    """Return the sums of square blocks, `(FINE, FINE)`. No matrix product: that would wake every core for a plane.

    Eight pixels are added at once, as lanes of 16 bits.
    """
    step = PLANE_SIDE // FINE
    words = np.ascontiguousarray(plane).view(np.uint64)
    pairs = words >> np.uint64(8)
    pairs &= LANES
    pairs += words & LANES
    rows = pairs.reshape(FINE, step, -1)
    lines = rows[:, 0] + rows[:, 1]
    for place in range(2, step):
        lines += rows[:, place]
    lanes = lines.view(np.int16)
    return lanes[:, ::2] + lanes[:, 1::2]


def _edges(middle: Sums) -> Numbers:
    """Shares of directions, and strength, of the edges in every cell."""
    down, across = _slopes(middle)
    strength = np.sqrt(down.astype(np.float64) ** 2 + across.astype(np.float64) ** 2).astype(np.float32)
    angle = np.arctan2(down, across)
    angle += np.float32(np.pi) * (angle < 0)
    direction = (angle * np.float32(DIRECTIONS / np.pi)).astype(np.int64) % DIRECTIONS
    sums = np.bincount((_cells() + direction).reshape(-1), strength.reshape(-1), CELLS**2 * DIRECTIONS)
    per_cell = sums.reshape(CELLS**2, DIRECTIONS)
    total = per_cell.sum(axis=1, keepdims=True)
    shares = np.sqrt(per_cell / (total + 8.0 * FLAT))
    return np.concatenate([shares.reshape(-1), np.log1p(total).reshape(-1) / 4.0]).astype(np.float32)


def _slopes(middle: Sums) -> Numbers:
    """Return how much brighter it gets with each row, and with each column: over two, at the edges over one."""
    slopes = np.empty((2, MIDDLE, MIDDLE), np.float32)
    for slope, picture in ((slopes[0], middle), (slopes[1].T, middle.T)):
        slope[1:-1] = picture[2:] - picture[:-2]
        slope[0] = 2 * (picture[1] - picture[0])
        slope[-1] = 2 * (picture[-1] - picture[-2])
    slopes /= np.float32(8 * BLOCK)
    return slopes


def _grain(sums: Sums) -> Numbers:
    """How far pixels depart from their neighbours, in every cell."""
    around = sums[:-2, 1:-1] + sums[2:, 1:-1] + sums[1:-1, :-2] + sums[1:-1, 2:]
    away = np.zeros((FINE, FINE), np.float32)
    away[1:-1, 1:-1] = np.abs(4 * sums[1:-1, 1:-1] - around)
    step = FINE // CELLS
    per_cell = away.reshape(CELLS, step, FINE).sum(axis=1).reshape(CELLS, CELLS, step).sum(axis=2)
    grain: Numbers = np.log1p(per_cell / np.float32(4 * BLOCK * step * step))
    return grain.reshape(-1)


def _lines(steps: Sums, along: int) -> Numbers:
    """How strong the strongest line of every band is, and what part of its edge points one way."""
    signed = steps.astype(np.float32)
    signed /= np.float32(BLOCK * FINE)
    strength = np.abs(signed).sum(axis=along)
    bands = np.zeros((2, FINE), np.float32)
    bands[0, :-1] = np.log1p(strength)
    bands[1, :-1] = np.abs(signed.sum(axis=along)) / (strength + FLAT / 4)
    strongest: Numbers = bands.reshape(2 * BANDS, -1).max(axis=1)
    return strongest


@cache
def _cells() -> NDArray[np.int64]:
    """Give each pixel of the middle picture where the numbers of its cell begin."""
    place = np.arange(MIDDLE) // (MIDDLE // CELLS)
    return (place[:, None] * CELLS + place[None, :]) * DIRECTIONS


@cache
def _matrix() -> Numbers:
    return resampling_matrix(MIDDLE, COARSE)
