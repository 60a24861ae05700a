"""The plane: the one picture that every model reads, in training and in serving alike.

Geometry must tell a model nothing: a classifier that sees only width and height separates
the public collections (AUC 0.98 on the validation part). So every picture, whatever its
shape, is squashed to one square without bars, and 6 % are cut off each side, where markers,
collimator edges and frames of other programs sit.
"""

from dataclasses import dataclass
from math import ceil, floor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ml.images.gray import to_bytes
from ml.images.plain import read_plain
from ml.vocabulary import PLANE_BORDER, PLANE_SIDE


def make_plane(gray: NDArray[np.float32] | NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Make the plane of a gray picture.

    Args:
        gray: Shape `(rows, columns)`, brighter is whiter: float32 in [0, 1], or uint8 in 0..255 (what
            the service and `plane_of_picture` give: three times faster, and it differs from the
            float32 way by at most one gray value). Never modified.

    Returns:
        A new uint8 array of shape `(PLANE_SIDE, PLANE_SIDE)`. Nothing of the outer 6 % of the
        picture reaches it. Resampling is antialiased and deterministic.

    Raises:
        ValueError: `gray` has another shape or dtype, or is empty.

    Example:
        >>> make_plane(np.full((40, 30), 0.5, np.float32))[0, :3]
        array([128, 128, 128], dtype=uint8)
    """
    if gray.ndim != 2 or 0 in gray.shape:
        raise ValueError(f"a plane is made of a picture of shape (rows, columns), got {gray.shape}")
    if gray.dtype not in (np.uint8, np.float32):
        raise ValueError(f"a plane is made of uint8 or float32, got {gray.dtype}")
    rows, columns = gray.shape
    top, left = round(rows * PLANE_BORDER), round(columns * PLANE_BORDER)
    inner = np.ascontiguousarray(gray[top : rows - top, left : columns - left])
    square = Image.fromarray(inner).resize((PLANE_SIDE, PLANE_SIDE), Image.Resampling.BILINEAR)
    if gray.dtype == np.uint8:
        return np.array(square, np.uint8)
    return to_bytes(np.asarray(square))


@dataclass(frozen=True, slots=True)
class Whole:
    """The picture of which another shows every 2 ** levels-th pixel, made smooth."""

    rows: int
    columns: int
    levels: int  # of wavelets that were left out


def make_plane_of_reduced(gray: NDArray[np.uint8], whole: Whole) -> NDArray[np.uint8]:
    """Make the plane of a picture of which wavelets left every so many pixels.

    They stand where the first of so many stood, not in their middle: what is cut out is moved by as much.

    Args:
        gray: uint8, `whole` divided by 2 ** levels and rounded up. Never modified.
        whole: What it was made of.

    Returns:
        As `make_plane`.
    """
    up, down = _kept_of(whole.rows, whole.levels)
    left, right = _kept_of(whole.columns, whole.levels)
    top, first = floor(up), floor(left)
    inner = np.ascontiguousarray(gray[top : ceil(down), first : ceil(right)])
    box = (left - first, up - top, right - first, down - top)
    square = Image.fromarray(inner).resize((PLANE_SIDE, PLANE_SIDE), Image.Resampling.BILINEAR, box=box)
    return np.array(square, np.uint8)


def _kept_of(side: int, levels: int) -> tuple[float, float]:
    """Say where in a reduced picture that begins and ends which a plane shows of a side of the whole."""
    border = round(side * PLANE_BORDER)
    shift = 0.5 - 0.5 / 2**levels
    return border / 2**levels + shift, (side - border) / 2**levels + shift


def plane_of_picture(path: Path) -> NDArray[np.uint8]:
    """Make the plane of a plain JPEG or PNG file, exactly as the service does.

    Returns:
        uint8, shape `(PLANE_SIDE, PLANE_SIDE)`.

    Raises:
        Unreadable: the file is no PNG or JPEG, is damaged, or is larger than the default limits.
    """
    return make_plane(read_plain(path.read_bytes()).gray)
