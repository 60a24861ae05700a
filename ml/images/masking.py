"""What seems to be text, filled before anything of a picture is kept.

Filled with the darkest value that the picture itself holds: a box that nobody can take for tissue, as the
median around it could be; and no window, range or polarity of the rest changes by a value that was
not there before. Yet where a file brings no window, its gray levels span percentiles of its values, and a filled
box moves those: the rest may be shown lighter or darker, so scores of a masked and an unmasked copy are not
comparable. A detector has misses (`ml.images.text` says which): this is help, no promise that nothing can be read.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ml.images.text import Region, find_hidden_text

MARGIN: Final = 0.3  # heights of the line, all around: the soft edge of letters, and a stroke that was not seen
LEAST_MARGIN: Final = 2  # pixels
ROUNDS: Final = 3  # looks at a picture that is filled in between
SAME: Final = 0.5  # of the smaller box


def grown(regions: Iterable[Region], rows: int, columns: int) -> list[Region]:
    """Give the regions with their margin, cut at the edges of the picture; what is mostly the same becomes one."""
    ordered = sorted(set(regions), key=lambda region: (-region.height * region.width, region.row, region.column))
    boxes: list[Region | None] = []
    edges = np.zeros((len(ordered), 4), np.int64)  # of the boxes: top, left, bottom, right; zeros where there is none
    for number, region in enumerate(ordered):
        box = _with_margin(region, rows, columns)
        same = np.flatnonzero(_shared(box, edges[:number]) >= SAME * box.height * box.width)
        if len(same):
            box, boxes[same[0]], edges[same[0]] = _around(box, boxes[same[0]]), None, 0
        boxes.append(box)
        edges[number] = box.row, box.column, box.row + box.height, box.column + box.width
    return [box for box in boxes if box is not None]


def _with_margin(region: Region, rows: int, columns: int) -> Region:
    margin = max(LEAST_MARGIN, round(MARGIN * region.height))
    top, left = max(0, region.row - margin), max(0, region.column - margin)
    bottom = min(rows, region.row + region.height + margin)
    right = min(columns, region.column + region.width + margin)
    return Region(row=top, column=left, height=bottom - top, width=right - left, strength=region.strength)


def text_of(gray: NDArray[np.uint8], stored: NDArray[Any]) -> set[Region]:
    """Find text, and look again at what is left when it is filled: what hid behind it may count then.

    Args:
        gray: uint8, shape `(rows, columns)`, as it is shown. Never modified.
        stored: What is kept of the same picture, `(rows, columns)` or `(rows, columns, 3)`. Never modified.

    Returns:
        Boxes without their margin, of at most `ROUNDS` looks.
    """
    found: set[Region] = set()
    for _ in range(ROUNDS):
        new = set(find_hidden_text(gray, stored)) - found
        if not new:
            break
        found |= new
        boxes = grown(found, *gray.shape)
        gray, stored = filled(gray, gray, boxes), filled(stored, gray, boxes)
    return found


def filled(stored: NDArray[Any], gray: NDArray[np.uint8], boxes: Sequence[Region]) -> NDArray[Any]:
    """Give a picture with its boxes filled.

    Args:
        stored: Shape `(rows, columns)` or `(rows, columns, 3)`, any dtype. Never modified.
        gray: The same picture as it is shown, uint8, shape `(rows, columns)`: says which value is darkest.
        boxes: Within the picture.

    Returns:
        A new array of the same shape and dtype.
    """
    made = stored.copy()
    darkest = stored[np.unravel_index(int(gray.argmin()), gray.shape)]
    for box in boxes:
        made[box.row : box.row + box.height, box.column : box.column + box.width] = darkest
    return made


def _shared(box: Region, edges: NDArray[np.int64]) -> NDArray[np.int64]:
    down = np.minimum(box.row + box.height, edges[:, 2]) - np.maximum(box.row, edges[:, 0])
    across = np.minimum(box.column + box.width, edges[:, 3]) - np.maximum(box.column, edges[:, 1])
    return np.asarray(np.maximum(0, down) * np.maximum(0, across))


def _around(box: Region, other: Region | None) -> Region:
    if other is None:
        return box
    row, column = min(box.row, other.row), min(box.column, other.column)
    bottom = max(box.row + box.height, other.row + other.height)
    right = max(box.column + box.width, other.column + other.width)
    strength = max(box.strength, other.strength)
    return Region(row=row, column=column, height=bottom - row, width=right - column, strength=strength)
