"""The numbers that the gate decides on: what a plane shows at 24, 64 and 128 pixels a side. NumPy only."""

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ml.models.resample import resampling_matrix
from ml.vocabulary import PLANE_SIDE

Numbers = NDArray[np.float32]
COARSE: Final = 24  # pixels a side of the thumbnail
MIDDLE: Final = 64  # pixels a side of the picture whose directions of edges count
FINE: Final = 128  # pixels a side of the picture in which straight lines and fine structure count
CELLS: Final = 8  # a side
DIRECTIONS: Final = 8  # of edges, without sign: 0 to 180 degrees
BANDS: Final = 32  # of columns, and of rows, for straight lines
FLAT: Final = 2.0  # in gray values: differences below it are grain
BINS: Final = 16  # of the histogram

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
    fine = means(plane, FINE)
    middle = fine.reshape(MIDDLE, 2, MIDDLE, 2).mean(axis=(1, 3))
    matrix = _matrix()
    coarse = matrix @ middle @ matrix.T
    unit = (coarse - coarse.mean()) / max(float(coarse.std()), FLAT)
    counts = np.bincount((fine.reshape(-1) / np.float32(256 / BINS)).astype(np.int64), minlength=BINS)
    alike = [np.mean(unit * other) for other in (unit[:, ::-1], unit[::-1], unit.T)]
    down, across = np.diff(fine, axis=0), np.diff(fine, axis=1)
    even = [np.mean((np.abs(down[:, :-1]) < 0.5) & (np.abs(across[:-1]) < 0.5)), np.mean(fine < 2), np.mean(fine > 253)]
    parts = (
        unit.reshape(-1),
        _edges(middle),
        _grain(fine),
        _lines(across),
        _lines(down.T),
        np.sqrt(counts / fine.size),
        np.array([*alike, *even]),
    )
    return np.concatenate(parts).astype(np.float32)


def means(plane: NDArray[np.uint8], side: int) -> Numbers:
    """Return the means of square blocks. Sums, not a matrix product: that would wake every core for a plane."""
    step = PLANE_SIDE // side
    # One addition for each row and column of a block: a third of the time that `sum` over short axes takes.
    rows = plane.reshape(side, step, PLANE_SIDE)
    lines = rows[:, 0].astype(np.uint16)
    for place in range(1, step):
        lines += rows[:, place]
    columns = lines.reshape(side, side, step)
    sums = columns[:, :, 0].astype(np.uint32)
    for place in range(1, step):
        sums += columns[:, :, place]
    blocks: Numbers = (sums / np.float32(step * step)).astype(np.float32)
    return blocks


def _edges(picture: Numbers) -> Numbers:
    """Shares of directions, and strength, of the edges in every cell."""
    down, across = np.gradient(picture)
    strength = np.hypot(down, across)
    direction = np.floor(np.arctan2(down, across) % np.pi * (DIRECTIONS / np.pi)).astype(np.int64) % DIRECTIONS
    place = np.arange(MIDDLE) // (MIDDLE // CELLS)
    cell = place[:, None] * CELLS + place[None, :]
    sums = np.bincount((cell * DIRECTIONS + direction).reshape(-1), strength.reshape(-1), CELLS**2 * DIRECTIONS)
    per_cell = sums.reshape(CELLS**2, DIRECTIONS)
    total = per_cell.sum(axis=1, keepdims=True)
    shares = np.sqrt(per_cell / (total + 8.0 * FLAT))
    return np.concatenate([shares.reshape(-1), np.log1p(total).reshape(-1) / 4.0]).astype(np.float32)


def _grain(fine: Numbers) -> Numbers:
    """How far pixels depart from their neighbours, in every cell."""
    inner = fine[1:-1, 1:-1]
    around = (fine[:-2, 1:-1] + fine[2:, 1:-1] + fine[1:-1, :-2] + fine[1:-1, 2:]) / 4
    away = np.pad(np.abs(inner - around), 1)
    step = FINE // CELLS
    per_cell: Numbers = np.log1p(away.reshape(CELLS, step, CELLS, step).mean(axis=(1, 3)))
    return per_cell.reshape(-1)


def _lines(across: Numbers) -> Numbers:
    """How strong the strongest line of every band of columns is, and what part of its edge points one way."""
    strength = np.abs(across).mean(axis=0)
    straight = np.abs(across.mean(axis=0)) / (strength + FLAT / 4)
    banded = [np.pad(values, (0, 1)).reshape(BANDS, -1).max(axis=1) for values in (np.log1p(strength), straight)]
    return np.concatenate(banded)


@cache
def _matrix() -> Numbers:
    return resampling_matrix(MIDDLE, COARSE)
