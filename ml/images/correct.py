"""A picture turned upright, or with black and white exchanged: a new picture beside the one that was sent."""

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ml.images.deep import Deep, Pixels, read_deep
from ml.images.gray import apply_window, look_up, to_bytes
from ml.images.records import Limits

TURNS: Final = {"turn_right": 1, "turn_around": 2, "turn_left": 3}  # quarters of a circle, clockwise
INVERT: Final = "invert"


def corrected(source: Path, frame: int, correction: str, limits: Limits | None = None) -> Pixels:
    """Give a frame of a kept source as it is shown, corrected.

    Args:
        source: What `process_file` kept. Never modified.
        frame: Which one, from 0.
        correction: A key of `TURNS`, or `INVERT`.
        limits: Those under which the file was read; the defaults if None.

    Returns:
        Gray values: 8 bits where the file has no more, else 16 over the whole range.

    Raises:
        Unreadable: the kept source is gone or damaged, or has no such frame.
        ValueError: no such correction.
    """
    if correction not in {*TURNS, INVERT}:
        raise ValueError(f"a picture is corrected by one of {[*TURNS, INVERT]}, got {correction!r}")
    deep = read_deep(source, frame, limits)
    unit = _shown(deep)
    if correction == INVERT:
        unit = 1 - unit
    if deep.padding is not None:
        unit[deep.padding[0] : deep.padding[1] + 1] = 0
    if deep.pixels.dtype == np.uint8:
        return _turned(to_bytes(unit)[deep.pixels], correction)
    return _turned(np.floor(unit * 65535 + 0.5).astype(np.uint16)[deep.pixels], correction)


def _turned(pixels: Pixels, correction: str) -> Pixels:
    turned = np.ascontiguousarray(np.rot90(pixels, -TURNS.get(correction, 0)))
    return turned.astype(np.uint8) if pixels.dtype == np.uint8 else turned.astype(np.uint16)


def _shown(deep: Deep) -> NDArray[np.float64]:
    """Give the gray value in [0, 1] of each level, through the table or the window that the picture begins with."""
    stored = deep.first + deep.step * np.arange(deep.levels, dtype=np.float64)
    real = deep.modality if deep.modality is not None else stored * deep.slope + deep.intercept
    if deep.voi:
        unit: NDArray[np.float64] = look_up(real, deep.voi) / deep.voi.largest
    else:
        unit = apply_window(real, next(iter(deep.windows.values())))
    return 1 - unit if deep.inverted else unit
