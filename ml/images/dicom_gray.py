"""The gray values of a DICOM frame: modality transform, window, polarity, padding, once each."""

from dataclasses import dataclass
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom import Dataset
from pydicom.uid import ExplicitVRBigEndian

from ml.images.gray import (
    LUNG,
    Lut,
    Values,
    Window,
    WindowFunction,
    apply_window,
    look_up,
    percentile_range,
    scale,
    to_bytes,
)
from ml.images.header import items, number, numbers, word
from ml.images.layout import Layout
from ml.images.plain import is_coloured
from ml.vocabulary import Note

FUNCTIONS: Final = {"LINEAR", "LINEAR_EXACT", "SIGMOID"}
HOUNSFIELD: Final = {"", "HU"}  # an absent rescale type means HU in CT objects


@dataclass(frozen=True, slots=True)
class Shown:
    """A frame as it is shown."""

    gray: NDArray[np.uint8]  # (rows, columns)
    notes: tuple[Note, ...]
    window: str  # what scaled it, in words


def is_hounsfield(header: Dataset) -> bool:
    """Whether the rescaled values of a CT object are Hounsfield units."""
    known = word(header, "Modality") == "CT" and word(header, "RescaleType") in HOUNSFIELD
    return known and bool(number(header, "RescaleSlope")) and number(header, "RescaleIntercept") is not None


def shown(frame: NDArray[Any], header: Dataset, layout: Layout) -> Shown:
    """Give a decoded frame as gray values.

    Args:
        frame: Stored values as `decoded_frames` gives them, of any integer type.
        header: As it holds for this frame.
        layout: Of the object.

    Source:
        DICOM PS3.3 C.11.1 (modality LUT), C.11.2 (VOI), C.7.6.3.1.2 (photometric interpretation),
        C.7.5.1.1.2 (pixel padding), C.11.6 (presentation LUT shape).
    """
    if frame.ndim == 3:
        return _shown_colour(frame, layout)
    if frame.dtype.itemsize > 2:
        levels, notes, window = _levels(frame, None, header, layout)
        return Shown(levels, notes, window)
    # A table over every value that a pixel can have: exact, and four times as fast as the pixels.
    lowest, highest = np.iinfo(frame.dtype).min, np.iinfo(frame.dtype).max
    index = frame if lowest == 0 else frame.astype(np.int32) - lowest
    counts = np.bincount(index.ravel(), minlength=highest - lowest + 1)
    levels, notes, window = _levels(np.arange(lowest, highest + 1), counts, header, layout)
    return Shown(levels[index], notes, window)


def _shown_colour(frame: NDArray[Any], layout: Layout) -> Shown:
    frame = _bytes_of_colour(frame, layout)
    return Shown(_gray_of(frame), (Note.COLOUR,) if is_coloured(frame) else (), "0..255")


def gray_of_colour(frame: NDArray[Any], layout: Layout) -> NDArray[np.uint8]:
    """Give the gray values 0..255 of a frame in RGB (ITU-R 601-2 luma)."""
    return _gray_of(_bytes_of_colour(frame, layout))


def _bytes_of_colour(frame: NDArray[Any], layout: Layout) -> NDArray[np.uint8]:
    if frame.dtype == np.uint8:
        return frame
    nominal = 2 ** (16 if layout.photometric == "PALETTE COLOR" else layout.stored) - 1
    return to_bytes(frame / nominal)


def _gray_of(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.array(Image.fromarray(np.ascontiguousarray(frame)).convert("L"), np.uint8)


def _levels(
    values: Values, counts: NDArray[np.int64] | None, header: Dataset, layout: Layout
) -> tuple[NDArray[np.uint8], tuple[Note, ...], str]:
    """Give the gray level 0..255 of each stored value; `counts` as in `percentile_range`."""
    padding = is_padding(values, header, layout)
    if is_hounsfield(header):
        # Hounsfield units mean the same everywhere: neither the header's window nor its polarity count.
        notes: tuple[Note, ...] = ()
        unit, said = apply_window(rescaled(values, header), LUNG), _in_words(LUNG)
    else:
        unit, notes, said = _voi(values, counts, padding, header, layout)
        if is_inverted(header, layout):
            unit = 1 - unit
    unit[padding] = 0
    return to_bytes(unit), notes, said


def _voi(
    values: Values,
    counts: NDArray[np.int64] | None,
    padding: NDArray[np.bool_],
    header: Dataset,
    layout: Layout,
) -> tuple[NDArray[np.float64], tuple[Note, ...], str]:
    real = modality_values(values, header, layout)
    if lut := table_of(header, "VOILUTSequence", layout):
        return look_up(real, lut) / lut.largest, (), "VOI LUT"
    if window := window_of(header):
        return apply_window(real, window), (), _in_words(window)
    note = Note.WINDOW_UNKNOWN if word(header, "Modality") == "CT" else Note.WINDOW_GUESSED
    if counts is None:
        low, high = percentile_range(real[~padding] if not padding.all() else real)
    else:
        low, high = percentile_range(real, np.where(padding, 0, counts) if not padding.all() else counts)
    return scale(real, low, high), (note,), f"{low:g}..{high:g}"


def modality_values(values: Values, header: Dataset, layout: Layout) -> Values:
    """Give what the modality LUT or the rescale makes of stored values."""
    if lut := table_of(header, "ModalityLUTSequence", layout):
        return look_up(values, lut)
    return rescaled(values, header)


def rescaled(values: Values, header: Dataset) -> Values:
    """Give what the rescale makes of stored values; the values themselves where there is none."""
    line = rescale_of(header)
    return values if line is None else cast("Values", values * line[0] + line[1])


def rescale_of(header: Dataset) -> tuple[float, float] | None:
    """Read slope and intercept; None where one is missing or would wipe the picture out."""
    slope, intercept = number(header, "RescaleSlope"), number(header, "RescaleIntercept")
    return None if not slope or intercept is None else (slope, intercept)


def is_inverted(header: Dataset, layout: Layout) -> bool:
    """Whether low values are to be shown bright: asked for once or twice, it is done once."""
    return layout.photometric == "MONOCHROME1" or word(header, "PresentationLUTShape") == "INVERSE"


def window_of(header: Dataset) -> Window | None:
    """Read the first window; None where there is none that the standard allows."""
    center, width = number(header, "WindowCenter"), number(header, "WindowWidth")
    if center is None or width is None:
        return None
    named = word(header, "VOILUTFunction")
    function = cast("WindowFunction", named if named in FUNCTIONS else "LINEAR")
    window = Window(center, width, function)
    return window if window.usable else None


def table_of(header: Dataset, keyword: str, layout: Layout) -> Lut | None:
    """Read the first table of a sequence; None if there is none or it contradicts itself."""
    table = next(iter(items(header, keyword)), None)
    descriptor = () if table is None else numbers(table, "LUTDescriptor")
    if table is None or len(descriptor) != 3 or "LUTData" not in table:
        return None
    length, first, bits = int(descriptor[0]) or 2**16, int(descriptor[1]), int(descriptor[2])
    entries = _entries(table["LUTData"].value, length, ">" if layout.syntax == ExplicitVRBigEndian else "<")
    if entries is None or not 1 <= bits <= 16:
        return None
    return Lut(first=first, bits=bits, entries=entries)


def _entries(data: Any, length: int, order: str) -> NDArray[np.uint16] | None:
    if isinstance(data, bytes):
        if len(data) >= 2 * length:
            return np.frombuffer(data, f"{order}u2", length).astype(np.uint16)
        return np.frombuffer(data, np.uint8, length).astype(np.uint16) if len(data) >= length else None
    entries = np.atleast_1d(np.asarray(data))
    if entries.dtype.kind not in "iu" or len(entries) < length:
        return None
    return (entries[:length] & 0xFFFF).astype(np.uint16)


def is_padding(values: Values, header: Dataset, layout: Layout) -> NDArray[np.bool_]:
    """Tell which stored values stand for no measurement."""
    ends = padding_of(header, layout)
    if ends is None:
        return np.zeros(values.shape, np.bool_)
    padding: NDArray[np.bool_] = (values >= ends[0]) & (values <= ends[1])
    return padding


def padding_of(header: Dataset, layout: Layout) -> tuple[float, float] | None:
    """Read the lowest and the highest stored value that is padding; None where there is none."""
    first, last = number(header, "PixelPaddingValue"), number(header, "PixelPaddingRangeLimit")
    if first is None:
        return None
    ends = sorted(_signed(end, layout) for end in (first, first if last is None else last))
    return ends[0], ends[1]


def _signed(value: float, layout: Layout) -> float:
    """Read a padding value that was written unsigned, in a picture whose pixels are signed."""
    return value - 2**layout.allocated if layout.signed and value >= 2 ** (layout.allocated - 1) else value


def _in_words(window: Window) -> str:
    return f"centre {window.center:g} width {window.width:g} {window.function}"
