"""Thin strokes of gray pictures, bright or dark, and the connected parts that they make."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ml.images.components import Components, components_at
from ml.images.sheet import Sheet, laid_out

STROKE: Final = 7  # pixels: what is thinner, in rows or in columns, counts as a stroke
STEP: Final = 40  # gray values between a stroke and what lies around it
AROUND: Final = 9  # pixels: a stroke has at least half the step of the clearest one so near
REACH: Final = 2 * (STROKE // 2) + AROUND // 2  # pixels: as far away lies what says whether a pixel counts
APART: Final = AROUND // 2  # pixels between pictures, for no square to reach from one into another
MOST_STROKES: Final = 0.25  # of the pixels: beyond, the picture is grain, and only what stands out of it is looked at
GRAIN_LEFT: Final = 0.06  # of the pixels of such a picture
HEIGHTS: Final = (5, 48)  # pixels of a part that may be a letter or, with its letters grown together, a word
LONGEST_WORD: Final = 16  # heights
MOST: Final = 6000  # parts that are looked at, those with most pixels first: grain has thousands

Gray = NDArray[np.uint8]
Whole = NDArray[np.int64]


def letters_of(pictures: Sequence[tuple[Gray, tuple[int, int]]]) -> tuple[Components, NDArray[np.float64]]:
    """Find the parts, bright and dark, that have the size of letters or words, from left to right.

    Args:
        pictures: Each uint8, shape `(rows, columns)`, none larger than the first, and the heights of a part that is
            looked for in it, in pixels, the least and the most.

    Returns:
        The parts, those of the picture i with the number 2 i if they are bright and 2 i + 1 if they are dark, in the
        order of these; and for each how far it stands out, in gray values.
    """
    sheet = laid_out([gray for gray, _ in pictures], REACH, APART)
    parts = sheet.sorted_out(components_at(*_strokes(sheet), sheet.width))
    least, most = np.repeat([heights for _, heights in pictures], 2, axis=0).T
    high, wide = parts.bottom - parts.top, parts.right - parts.left
    fitting = (high >= least[parts.picture]) & (high <= most[parts.picture]) & (wide <= LONGEST_WORD * high)
    parts = _without_grain(parts.only(fitting))
    parts = parts.only(np.lexsort((parts.left, parts.picture)))
    return parts, parts.weight / np.maximum(parts.area, 1)


def _strokes(sheet: Sheet) -> tuple[Whole, Gray]:
    """Give the places on a sheet that may belong to bright strokes, and by how much each stands out."""
    step = _top_hat(sheet)
    around = _square(step, sheet.width, AROUND, np.maximum)
    begin = AROUND // 2 * (sheet.width + 1)
    step = step[begin:-begin]
    mask = step >= STEP
    if sheet.may_be_filled(mask, MOST_STROKES):
        _thin_out(sheet, mask, step, around)
    at = _places(mask)
    at = at[step[at] > around[at] // 2]
    return at, step[at]


def _top_hat(sheet: Sheet) -> Gray:
    """Give how much brighter each pixel is than what is left when thin things are taken away.

    A line of the sheet that begins later and ends earlier, by what could not be told. What lies beyond the edge of
    a picture never wins: the edge itself is in every square that reaches over it.
    """
    half = STROKE // 2 * (sheet.width + 1)
    least = _square(sheet.line, sheet.width, STROKE, np.minimum)
    least &= sheet.inside[half:-half]
    rest = _square(least, sheet.width, STROKE, np.maximum)
    np.subtract(sheet.line[2 * half : -2 * half], rest, out=rest)
    rest &= sheet.inside[2 * half : -2 * half]
    return rest


def _places(mask: NDArray[np.bool_]) -> Whole:
    """Say where a mask is set. Eight pixels are asked at once: few of them are."""
    some = np.flatnonzero(mask.view(np.uint64) != 0)
    found = np.flatnonzero(mask.reshape(-1, 8)[some])
    places: Whole = some[found >> 3] * 8 + (found & 7)
    return places


def _thin_out(sheet: Sheet, mask: NDArray[np.bool_], step: Gray, around: Gray) -> None:
    """Leave of a picture that strokes seem to fill those alone that stand out of it."""
    mask &= step > around // 2
    for own, steps in zip(sheet.pictures_of(mask), sheet.pictures_of(step), strict=True):
        if np.count_nonzero(own) > MOST_STROKES * own.size:
            np.logical_and(own, steps >= np.quantile(steps, 1 - GRAIN_LEFT), out=own)
            if np.count_nonzero(own) > 2 * GRAIN_LEFT * own.size:  # black and white dots: no letter stands out
                own[:] = False


def _without_grain(parts: Components) -> Components:
    """Give at most so many parts of each picture, those with most pixels."""
    if len(parts) <= MOST:
        return parts
    each = [np.flatnonzero(parts.picture == picture) for picture in range(int(parts.picture.max()) + 1)]
    largest = [own[np.argsort(-parts.area[own], kind="stable")[:MOST]] if len(own) > MOST else own for own in each]
    return parts.only(np.concatenate(largest))


def _square(line: Gray, width: int, side: int, pick: Any) -> Gray:
    """Give the smallest or largest value in a square around each pixel of a line of rows.

    A row runs on into the next one, so all of it is one long line, which is compared fastest.

    Returns:
        A line that begins half a square later, in rows and in columns, and ends so much earlier.
    """
    for stride in (width, 1):
        for step in _doubling(side):
            line = pick(line[: -step * stride], line[step * stride :])
    return line


def _doubling(side: int) -> Iterator[int]:
    """By how much to shift in each pass, for a value to stand for a stretch of `side`: each doubles it."""
    have = 1
    while have < side:
        step = min(have, side - have)
        yield step
        have += step
