"""What can be said about a picture's quality before any model sees it."""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ml.vocabulary import NotAssessed, Note

# Between the 1st and 99th percentile of the plane, in gray values 0..255.
BLANK_SPAN: Final = 4
LOW_SPAN: Final = 48
SMALL_SIDE: Final = 200  # pixels; below it models see mostly interpolation


def quality_of(plane: NDArray[np.uint8], rows: int, columns: int) -> tuple[NotAssessed | None, tuple[Note, ...]]:
    """Tell whether a picture is blank, and note what is poor about it.

    Args:
        plane: uint8, shape `(PLANE_SIDE, PLANE_SIDE)`.
        rows: Of the picture itself; columns likewise.
    """
    cumulated = np.cumsum(Image.fromarray(plane).histogram())
    low, high = np.searchsorted(cumulated, np.array([0.01, 0.99]) * plane.size)
    notes = [Note.SMALL] if min(rows, columns) < SMALL_SIDE else []
    if high - low < BLANK_SPAN:
        return NotAssessed.BLANK, tuple(notes)
    if high - low < LOW_SPAN:
        notes.append(Note.LOW_CONTRAST)
    return None, tuple(notes)
