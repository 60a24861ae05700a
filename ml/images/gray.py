"""Gray values: from what a file stores to what is shown, in [0, 1]. Arithmetic only.

Every function takes *values*: either the pixels themselves or, much faster for 16-bit pictures,
each value that a pixel can have, so that the result is a table to look pixels up in.
"""

from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

Values = NDArray[Any]  # integers or floats of any shape
WindowFunction = Literal["LINEAR", "LINEAR_EXACT", "SIGMOID"]


@dataclass(frozen=True, slots=True)
class Window:
    """A display window, in the units that the modality transform gives (for CT: HU)."""

    center: float
    width: float
    function: WindowFunction = "LINEAR"

    @property
    def usable(self) -> bool:
        """Whether the standard allows the width: at least 1 with LINEAR, else more than 0."""
        finite = bool(np.isfinite(self.center) and np.isfinite(self.width))
        return finite and (self.width >= 1 if self.function == "LINEAR" else self.width > 0)


LUNG: Final = Window(center=-600, width=1500)  # HU; part of the pipeline version


@dataclass(frozen=True, slots=True)
class Lut:
    """A look-up table of a DICOM file: `entries[i]` is the output for the value `first + i`."""

    first: int
    bits: int  # of each entry: outputs lie in 0..2**bits - 1
    entries: NDArray[np.uint16]

    @property
    def largest(self) -> int:
        """The largest output that the table can name: its nominal range, not what it happens to hold."""
        return int(2**self.bits) - 1


def apply_window(values: Values, window: Window) -> NDArray[np.float64]:
    """Map values to [0, 1] with a DICOM window.

    Args:
        values: Any shape, in the units of the window. Never modified.
        window: A usable window.

    Returns:
        A new float64 array of the same shape.

    Raises:
        ValueError: the window is not usable.

    Source:
        DICOM PS3.3 C.11.2.1.2 (LINEAR, with its half-unit offsets) and C.11.2.1.3
        (SIGMOID, LINEAR_EXACT).

    Example:
        >>> apply_window(np.array([-1350, -600, 149]), LUNG).round(4)
        array([0.    , 0.5003, 1.    ])
    """
    if not window.usable:
        raise ValueError(f"the standard forbids a width of {window.width} with {window.function}")
    offset = values.astype(np.float64) - window.center
    if window.function == "SIGMOID":
        # The exponent is bounded: beyond it the result is 0 or 1 in every format, and exp overflows.
        unit: NDArray[np.float64] = 1 / (1 + np.exp(np.clip(-4 * offset / window.width, -700, 700)))
        return unit
    if window.function == "LINEAR_EXACT":
        return np.clip(offset / window.width + 0.5, 0, 1)
    if window.width == 1:  # the ramp has no length: a step
        return np.where(offset > -0.5, 1.0, 0.0)
    return np.clip((offset + 0.5) / (window.width - 1) + 0.5, 0, 1)


def look_up(values: Values, lut: Lut) -> NDArray[np.uint16]:
    """Give the entry of each value; values outside the table take its first or last entry.

    Source:
        DICOM PS3.3 C.11.1.1.1 and C.11.2.1.1.
    """
    index = np.clip(np.floor(values).astype(np.int64) - lut.first, 0, len(lut.entries) - 1)
    return lut.entries[index]


def scale(values: Values, low: float, high: float) -> NDArray[np.float64]:
    """Map `low`..`high` to 0..1, clipped. A range without length becomes a step above `low`."""
    if high <= low:
        return (values > low).astype(np.float64)
    return np.clip((values.astype(np.float64) - low) / (high - low), 0, 1)


def percentile_range(values: Values, counts: NDArray[np.int64] | None = None) -> tuple[float, float]:
    """Give the 1st and 99th percentile: a display range for a picture that stores none.

    Args:
        values: Any shape; at least one value.
        counts: How many pixels have each value; None: one each. Padding is counted 0 by the caller.

    Returns:
        Two of the values: no interpolation, so that a picture and its histogram give the same.
    """
    flat = values.ravel()
    if counts is None or not counts.any():
        counts = np.ones(flat.shape, np.int64)
    order = np.argsort(flat, kind="stable")
    cumulated = np.cumsum(counts.ravel()[order])
    at = np.searchsorted(cumulated, np.array([0.01, 0.99]) * cumulated[-1])
    low, high = flat[order[np.minimum(at, len(flat) - 1)]]
    return float(low), float(high)


def to_bytes(unit: Values) -> NDArray[np.uint8]:
    """Turn [0, 1] into 0..255, rounding half up."""
    return np.floor(np.clip(unit, 0, 1) * 255 + 0.5).astype(np.uint8)
