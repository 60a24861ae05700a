"""Text that is burned into a picture: found by its strokes, told from a marker or a wire by its lines.

A letter is a thin stroke that is brighter (or darker) than what lies around it, its rows cross more than
one stroke, and it stands in a line with others of like height. A side marker stands alone; ribs, wires,
vessels and the ticks of a ruler are crossed once. The same picture gives the same boxes everywhere.

Missed, as measured on drawn text (November 2026), height being that of capitals:
- small: below 6 pixels of the picture as reduced by a whole number to 1,152 pixels at most. That is 1/190 of the
  longest side at best (at 1,152 or 2,304 pixels) and 1/95 at worst (just above); on a page of print 7 pixels;
- large: above a fifth of the shorter side, bold above a sixth;
- faint: less than 40 of 256 gray levels from what lies around, as shown, as stored and in each colour alone;
- in grain: where strokes seem to fill a quarter of a picture, only the clearest 6 % of its pixels count; a picture of
  black and white dots alone hides all text;
- upright, slanted and handwritten lines, and one or two letters alone, as side markers are;
- beyond 6,000 parts of the size of letters, those with the fewest pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ml.images.components import Components
from ml.images.strokes import HEIGHTS, letters_of

LONGEST: Final = 1152  # pixels of the reduced picture, in which lines are looked for
COARSER: Final = (2, 4, 8)  # times: large or bold letters are thin in a picture reduced once more
COARSEST: Final = 64  # pixels of the shorter side of a picture that is reduced once more
LARGE: Final = 10  # pixels; what is lower there was looked for before
BEYOND: Final = 2  # times the span of most stored values; what is further away counts as so far
SMALLEST: Final = 16  # pixels of a side; nothing can be read in less
SHADE: Final = 8  # gray values by which a channel differs somewhere, to be looked at by itself
LONG: Final = 2.0  # heights; a line is longer than a marker's one or two letters
FAR: Final = 1 << 20  # columns: more than any letter of a reduced picture reaches
AT_ONCE: Final = 200  # parts that are compared with the later ones: bounds the memory
APART: Final = 0.9  # heights of the larger letter; the next one of a line begins within
UNLIKELY: Final = 1.9  # times the height of a neighbour: no letter of one line
LEAST: Final = 3.0  # strength of a line that counts
BESIDE: Final = -1.0  # strength of a line that counts next to such a one
NEAR: Final = 2.0  # heights between lines of one block
STROKES_A_HEIGHT: Final = (0.8, 5.0)  # strokes that a row crosses over a stretch as long as a letter is high
CROSSED: Final = 1.1  # strokes that a row of a letter crosses; the ticks of a ruler are crossed once
# What makes a line, in log-odds: fitted to 3,300 drawn lines on pictures of `train` against 600 others of its
# CT slices (November 2026), then rounded.
STROKES: Final = 4.0  # for the logarithm of how many strokes a row crosses
LETTERS: Final = 1.0  # for the logarithm of how many parts there are
STEP: Final = 0.04  # for a gray value by which they stand out
FILL: Final = 10.0  # for the part of their boxes that they fill
UNEVEN: Final = -9.0  # for the spread of their tops or their feet, in heights
UNLIKE: Final = -8.0  # for the spread of their heights, in heights
NONE: Final = -12.5


@dataclass(frozen=True, slots=True)
class Region:
    """A box that seems to hold a line of text, in pixels of the picture."""

    row: int
    column: int
    height: int
    width: int
    strength: float  # log-odds: LEAST and more


@dataclass(frozen=True, slots=True)
class _Line:
    top: int
    left: int
    bottom: int
    right: int
    strength: float
    picture: int  # which one of those that are looked at together, twice: odd for dark text

    @property
    def height(self) -> int:
        return self.bottom - self.top

    @property
    def counts(self) -> bool:
        return self.strength >= LEAST and self.right - self.left >= LONG * self.height


def find_text(gray: NDArray[np.uint8], halved: int = 0) -> tuple[Region, ...]:
    """Find what seems to be lines of text, from the top down.

    Args:
        gray: uint8, shape `(rows, columns)`, as it is shown. Never modified.
        halved: How often the picture was halved before: no letter gets smaller for that than in the whole one.

    Returns:
        Boxes within the picture. Lettering that is no patient's (PORTABLE, 65 kV) is found too; what is missed
        stands at the top of this module.

    Example:
        >>> find_text(np.zeros((400, 400), np.uint8))
        ()
    """
    rows, columns = gray.shape
    if min(rows, columns) < SMALLEST:
        return ()
    scales = _scales(rows, columns, halved)
    whole = Image.fromarray(gray)
    lines = _lines([(np.asarray(whole.reduce(factor)) if factor > 1 else gray, heights) for factor, heights in scales])
    found: list[Region] = []
    for place, (factor, _) in enumerate(scales):
        regions = (_region(line, factor, rows, columns) for line in lines if line.picture // 2 == place)
        found += [region for region in regions if region not in found]
    return tuple(sorted(found, key=lambda region: (region.row, region.column)))


def _scales(rows: int, columns: int, halved: int) -> list[tuple[int, tuple[int, int]]]:
    """Give by which factors a picture is reduced, and how high a letter may be in each: bold ones need the last."""
    factor = max(1, -(-(max(rows, columns) << halved) // LONGEST) >> halved)
    further = [factor * more for more in COARSER if min(rows, columns) >= COARSEST * factor * more]
    return [(factor, HEIGHTS), *((each, (LARGE, HEIGHTS[1])) for each in further)]


def _region(line: _Line, factor: int, rows: int, columns: int) -> Region:
    return Region(
        row=line.top * factor,
        column=line.left * factor,
        height=min(line.bottom * factor, rows) - line.top * factor,
        width=min(line.right * factor, columns) - line.left * factor,
        strength=round(line.strength, 2),
    )


def find_hidden_text(gray: NDArray[np.uint8], stored: NDArray[Any], halved: int = 0) -> tuple[Region, ...]:
    """Find lines of text in what is shown, and in what a window or gray levels hide of what is kept.

    White letters on tissue shown white, and coloured ones as light as what is around them.

    Args:
        gray: uint8, shape `(rows, columns)`, as it is shown.
        stored: What is kept of the same picture, `(rows, columns)` or `(rows, columns, 3)`.
    """
    found = find_text(gray, halved)
    if stored.ndim == 2:
        alike = stored is gray or (
            stored.dtype == np.uint8 and (np.array_equal(stored, gray) or np.array_equal(~stored, gray))
        )
        views = [] if alike else [_whole_range(stored)]
    else:
        views = _channels(stored, gray)
    return tuple(dict.fromkeys(found + tuple(region for view in views for region in find_text(view, halved))))


def _channels(stored: NDArray[Any], gray: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    """Give the channels of a colour picture that differ from what is shown, and from each other, by a stroke."""
    views: list[NDArray[np.uint8]] = []
    for channel in np.moveaxis(stored, 2, 0):
        view = np.ascontiguousarray(channel if channel.dtype == np.uint8 else _whole_range(channel))
        others = (gray, *views)
        if all(np.any(np.maximum(view, other) - np.minimum(view, other) > SHADE) for other in others):
            views.append(view)
    return views


def _whole_range(stored: NDArray[Any]) -> NDArray[np.uint8]:
    """Give stored values in 256 levels, cut where they lie far beyond most others: padding may."""
    step = max(1, min(stored.shape) // 128)
    low, high = (int(end) for end in np.percentile(stored[::step, ::step], [2, 98], method="nearest"))
    beyond = BEYOND * max(1, high - low)
    low, high = max(int(stored.min()), low - beyond), min(int(stored.max()), high + beyond)
    cut = np.clip(stored, low, high)
    # Differences of signed values fit the unsigned type of the same size: whatever overflows comes back.
    unsigned = np.dtype(f"u{cut.dtype.itemsize}").type
    above = cut.view(unsigned) - unsigned(low % 2 ** (8 * cut.dtype.itemsize))
    shift = max(0, (high - low).bit_length() - 8)
    most = max(1, (high - low) >> shift)
    table = [min(255, level * 255 // most) for level in range(256)]
    return np.asarray(Image.fromarray((above >> unsigned(shift)).astype(np.uint8)).point(table))


def _lines(pictures: Sequence[tuple[NDArray[np.uint8], tuple[int, int]]]) -> list[_Line]:
    """Give the lines of text of some pictures, bright and then dark ones of each; heights of letters are given too."""
    parts, steps = letters_of(pictures)
    if not len(parts):
        return []
    lines = _measured(parts, steps, _aligned(parts))
    counting = sorted({line.picture for line in lines if line.counts})
    return [line for picture in counting for line in _blocks_of(picture, lines, parts)]


def _blocks_of(picture: int, lines: list[_Line], parts: Components) -> list[_Line]:
    own = parts.only(parts.picture == picture)
    return [_grown(line, own) for line in _with_blocks([line for line in lines if line.picture == picture])]


def _with_blocks(lines: list[_Line]) -> list[_Line]:
    """Give the lines that count, and what stands in one block with such: each is compared with all others once."""
    boxes = np.array([(line.top, line.left, line.bottom, line.right) for line in lines], np.int64).reshape(-1, 4)
    taken = np.array([line.counts for line in lines], np.bool_)
    known = np.flatnonzero(taken).tolist()
    while known:
        beside = np.flatnonzero(_one_block(boxes, boxes[known.pop()]) & ~taken)
        taken[beside] = True
        known += beside.tolist()
    return [lines[index] for index in np.flatnonzero(taken)]


def _aligned(parts: Components) -> NDArray[np.int64]:
    """Give each part the index of the first of its line: next to each other, of like height, on one level."""
    every = np.arange(len(parts))
    # From left to right: what begins further away than a gap of the largest likely letter need not be looked at.
    beside = parts.picture * FAR  # pictures that are looked at together
    reach = parts.right + np.ceil(APART * UNLIKELY * (parts.bottom - parts.top))
    past = np.searchsorted(parts.left + beside, reach + beside, side="right")
    pairs = [_linked(parts, every[at : at + AT_ONCE], past[at : at + AT_ONCE]) for at in every[::AT_ONCE]]
    first, second = (np.concatenate(each) for each in zip(*pairs, strict=True))
    root = every
    while not np.array_equal(root[first], root[second]):
        low = np.minimum(root[first], root[second])
        joined = root.copy()
        np.minimum.at(joined, np.maximum(root[first], root[second]), low)
        root = joined[joined]
    return root


def _linked(
    parts: Components, some: NDArray[np.int64], past: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Give the pairs of some parts and of later ones, each up to its `past`, that may be two letters of a line."""
    count = np.maximum(0, past - some - 1)
    first = np.repeat(some, count)
    second = first + 1 + np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    high = parts.bottom - parts.top
    small, large = np.minimum(high[first], high[second]), np.maximum(high[first], high[second])
    gap = parts.left[second] - parts.right[first]
    tops, feet = parts.top[first] - parts.top[second], parts.bottom[first] - parts.bottom[second]
    off = np.minimum(abs(tops), abs(feet))
    shared = np.minimum(parts.bottom[first], parts.bottom[second]) - np.maximum(parts.top[first], parts.top[second])
    linked = (gap >= -0.3 * small) & (gap <= APART * large) & (large <= UNLIKELY * small)
    linked &= (off <= np.maximum(1, 0.2 * small)) & (shared >= 0.6 * small)
    return first[linked], second[linked]


def _measured(parts: Components, steps: NDArray[np.float64], root: NDArray[np.int64]) -> list[_Line]:
    """Give the lines that may count, with their strength; none, where not one is long enough to count."""
    order = np.argsort(root, kind="stable")
    starts = np.flatnonzero(np.diff(root[order], prepend=-1))
    letters = np.diff(np.append(starts, len(order)))
    parts, steps = parts.only(order), steps[order]

    def mean(values: NDArray[Any]) -> NDArray[np.float64]:
        return np.asarray(np.add.reduceat(values.astype(np.float64), starts) / letters)

    def spread(values: NDArray[Any]) -> NDArray[np.float64]:
        return np.sqrt(np.maximum(0, mean(values.astype(np.float64) ** 2) - mean(values) ** 2))

    top, bottom = np.minimum.reduceat(parts.top, starts), np.maximum.reduceat(parts.bottom, starts)
    left, right = np.minimum.reduceat(parts.left, starts), np.maximum.reduceat(parts.right, starts)
    high, wide = parts.bottom - parts.top, parts.right - parts.left
    strokes = mean(np.maximum(1, parts.runs / high)) * letters
    once = strokes < CROSSED * letters  # next to another line it may be text, alone never
    if not np.any(~once & (right - left >= LONG * (bottom - top))):  # so of two radiographs in three
        return []
    height = mean(high)
    strength = (
        STROKES * np.log(strokes)
        + LETTERS * np.log(letters)
        + STEP * mean(steps)
        + FILL * mean(parts.area / (high * wide))
        + UNEVEN * np.minimum(spread(parts.top), spread(parts.bottom)) / height
        + UNLIKE * spread(high) / height
        + NONE
    )
    dense = strokes * height / (right - left)
    strength[once] = np.minimum(strength[once], LEAST - 1)
    able = (strength >= BESIDE) & (dense >= STROKES_A_HEIGHT[0]) & (dense <= STROKES_A_HEIGHT[1])
    columns = (top, left, bottom, right, strength, parts.picture[starts])
    return [_Line(*one) for one in zip(*(each[able].tolist() for each in columns), strict=True)]


def _one_block(boxes: NDArray[np.int64], known: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which boxes stand close to a known one and are of like height; top, left, bottom, right."""
    top, left, bottom, right = boxes.T
    high, own = bottom - top, known[2] - known[0]
    most = NEAR * np.maximum(high, own)
    across = np.maximum(left, known[1]) - np.minimum(right, known[3])
    down = np.maximum(top, known[0]) - np.minimum(bottom, known[2])
    like = np.maximum(high, own) <= 2 * np.minimum(high, own)
    return np.asarray(like & (across <= most) & (down <= most))


def _grown(line: _Line, parts: Components) -> _Line:
    """Take in what stands at the ends of a line on its level, though it was not linked: a broken letter, a stop."""
    top, left, bottom, right = line.top, line.left, line.bottom, line.right
    high = bottom - top
    shared = np.minimum(parts.bottom, bottom) - np.maximum(parts.top, top)
    level = (shared >= 0.6 * (parts.bottom - parts.top)) & (parts.bottom - parts.top <= 1.5 * high)
    for _ in range(3):
        near = level & (parts.left <= right + 1.5 * high) & (parts.right >= left - 1.5 * high)
        left, right = int(min(left, *parts.left[near])), int(max(right, *parts.right[near]))
    top, bottom = int(min(top, *parts.top[near])), int(max(bottom, *parts.bottom[near]))
    return replace(line, top=top, left=left, bottom=bottom, right=right)
