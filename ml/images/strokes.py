"""Thin strokes of a gray picture, bright or dark, and the connected parts that they make."""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ml.images.components import Components, components_of

STROKE: Final = 7  # pixels: what is thinner, in rows or in columns, counts as a stroke
STEP: Final = 40  # gray values between a stroke and what lies around it
AROUND: Final = 9  # pixels: a stroke has at least half the step of the clearest one so near
MOST_STROKES: Final = 0.25  # of the pixels: beyond, the picture is grain, and only what stands out of it is looked at
GRAIN_LEFT: Final = 0.06  # of the pixels of such a picture
HEIGHTS: Final = (5, 48)  # pixels of a part that may be a letter or, with its letters grown together, a word
LONGEST_WORD: Final = 16  # heights
MOST: Final = 6000  # parts that are looked at, those with most pixels first: grain has thousands

Gray = NDArray[np.uint8]


def letters_of(gray: Gray, heights: tuple[int, int] = HEIGHTS) -> tuple[Components, NDArray[np.float64]]:
    """Find the bright parts that have the size of letters or words, from left to right.

    Args:
        gray: uint8, shape `(rows, columns)`. Hand over its negative to find dark ones.
        heights: Of a part, in pixels, the least and the most.

    Returns:
        The parts, and for each how far it stands out, in gray values.
    """
    step = strokes(gray)
    mask = (step >= STEP) & (step > spread(step, AROUND, np.maximum) // 2)
    if np.count_nonzero(mask) > MOST_STROKES * mask.size:
        mask &= step >= np.quantile(step, 1 - GRAIN_LEFT)
        mask &= np.count_nonzero(mask) <= 2 * GRAIN_LEFT * mask.size  # black and white dots: no letter stands out
    parts = components_of(mask, step)
    high, wide = parts.bottom - parts.top, parts.right - parts.left
    parts = parts.only((high >= heights[0]) & (high <= heights[1]) & (wide <= LONGEST_WORD * high))
    if len(parts) > MOST:
        parts = parts.only(np.argsort(-parts.area, kind="stable")[:MOST])
    parts = parts.only(np.argsort(parts.left, kind="stable"))
    return parts, parts.weight / np.maximum(parts.area, 1)


def strokes(gray: Gray) -> Gray:
    """Give how much brighter each pixel is than what is left when thin things are taken away (a top-hat)."""
    return gray - spread(spread(gray, STROKE, np.minimum), STROKE, np.maximum)


def spread(gray: Gray, side: int, pick: Any) -> Gray:
    """Give the smallest or largest value in a square around each pixel; beyond the edge lies the edge.

    Args:
        gray: uint8, shape `(rows, columns)`.
        side: Of the square, odd.
        pick: `np.minimum` or `np.maximum`.
    """
    half, (rows, columns) = side // 2, gray.shape
    # What lies beyond the edge never wins: the edge itself is in every square that reaches over it.
    padded: Gray = np.full((rows + 2 * half, columns + 2 * half), 255 if pick is np.minimum else 0, np.uint8)
    padded[half : half + rows, half : half + columns] = gray
    for step in _doubling(side):
        padded = pick(padded[:-step], padded[step:])
    for step in _doubling(side):
        padded = pick(padded[:, :-step], padded[:, step:])
    return padded


def _doubling(side: int) -> Iterator[int]:
    """By how much to shift in each pass, for a value to stand for a stretch of `side`: each doubles it."""
    have = 1
    while have < side:
        step = min(have, side - have)
        yield step
        have += step
