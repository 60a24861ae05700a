"""What can be said about a picture's quality before any model sees it."""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ml.vocabulary import NotAssessed, Note

# Between the 1st and 99th percentile of the plane, in gray values 0..255.
BLANK_SPAN: Final = 4
LOW_SPAN: Final = 48
SHARES: Final = np.array([0.01, 0.99])
SAMPLED: Final = 16  # one row and column of so many tells where the middle may be
SMALL_SIDE: Final = 200  # pixels; below it models see mostly interpolation


def quality_of(plane: NDArray[np.uint8], rows: int, columns: int) -> tuple[NotAssessed | None, tuple[Note, ...]]:
    """Tell whether a picture is blank, and note what is poor about it.

    Args:
        plane: uint8, shape `(PLANE_SIDE, PLANE_SIDE)`.
        rows: Of the picture itself; columns likewise.
    """
    notes = [Note.SMALL] if min(rows, columns) < SMALL_SIDE else []
    if _spans_enough(plane):
        return None, tuple(notes)
    cumulated = np.cumsum(Image.fromarray(plane).histogram())
    low, high = np.searchsorted(cumulated, SHARES * plane.size)
    if high - low < BLANK_SPAN:
        return NotAssessed.BLANK, tuple(notes)
    if high - low < LOW_SPAN:
        notes.append(Note.LOW_CONTRAST)
    return None, tuple(notes)


def _spans_enough(plane: NDArray[np.uint8]) -> bool:
    """Tell of nearly every picture that its contrast is not low, by two counts: a histogram takes longer.

    Where enough pixels lie at `low` or below and enough beyond, the percentiles are at least LOW_SPAN apart.
    """
    some = plane[::SAMPLED, ::SAMPLED]
    low = (int(some.min()) + int(some.max()) - LOW_SPAN) // 2
    if low < 0:
        return False
    least, most = SHARES * plane.size
    return bool(np.count_nonzero(plane <= low) >= least and np.count_nonzero(plane < low + LOW_SPAN) < most)
