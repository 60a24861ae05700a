"""The deep picture: one frame in all its gray values, with what a viewer needs to show them through any window.

A file holds, one after the other: the four bytes of `MAGIC`; the length of the header, a little-endian uint32; the
header, JSON; and a zlib stream of what `Deep` names. Pixels are differences to the pixel before, in the order of rows,
small ones of either sign as small numbers; of 16-bit ones all low bytes come first, then all high ones.
"""

import json
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.uid import UID

from ml.images.boundary import decoding, silenced
from ml.images.dicom import decoded_frames, load
from ml.images.dicom_gray import (
    gray_of_colour,
    is_hounsfield,
    is_inverted,
    modality_values,
    padding_of,
    rescale_of,
    table_of,
    window_of,
)
from ml.images.gray import LUNG, Lut, Window, percentile_range
from ml.images.header import frame_header
from ml.images.layout import Layout, layout_of
from ml.images.plain import read_plain, shown_range
from ml.images.read import read_within
from ml.images.records import Limits, Unreadable
from ml.images.sniff import kind_of
from ml.vocabulary import DEEP_FORMAT

MAGIC: Final = b"CSDP"
MOST_LEVELS: Final = 2**16
QUICK: Final = 1  # zlib's level: a third of the time of the usual one, for a tenth more bytes
Pixels = NDArray[np.uint8] | NDArray[np.uint16]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deep:
    """A frame as a viewer needs it. A pixel `p` stands for the stored value `first + step * p`."""

    pixels: Pixels  # (rows, columns)
    levels: int  # pixels lie in 0..levels - 1
    first: int
    step: int  # 1, unless the values span more than 16 bits
    slope: float  # of the modality transform, for stored values, unless there is a table
    intercept: float
    modality: NDArray[np.uint16] | None  # its output for each level, where it is a table
    voi: Lut | None  # the VOI LUT of the file
    windows: dict[str, Window]  # by name; the first is the one to begin with, if there is no VOI LUT
    padding: tuple[int, int] | None  # the lowest and the highest pixel that stands for nothing: always black
    inverted: bool  # low values are bright
    units: str  # of what the modality transform gives: "HU" or nothing

    def header(self) -> dict[str, Any]:
        """Give everything but the arrays."""
        rows, columns = self.pixels.shape
        return {
            "format": DEEP_FORMAT,
            "rows": rows,
            "columns": columns,
            "bytes": self.pixels.dtype.itemsize,
            "levels": self.levels,
            "first": self.first,
            "step": self.step,
            "slope": self.slope,
            "intercept": self.intercept,
            "modality": 0 if self.modality is None else len(self.modality),
            "voi": self.voi and {"first": self.voi.first, "bits": self.voi.bits, "length": len(self.voi.entries)},
            "windows": [
                {"name": name, "center": one.center, "width": one.width, "function": one.function}
                for name, one in self.windows.items()
            ],
            "padding": self.padding,
            "inverted": self.inverted,
            "units": self.units,
        }


def make_deep(source: Path, frame: int, limits: Limits | None = None) -> bytes:
    """Make the file of one frame from the kept source; see `read_deep`."""
    return packed(read_deep(source, frame, limits))


def read_deep(source: Path, frame: int, limits: Limits | None = None) -> Deep:
    """Read one frame of the kept source (`source.dcm` or `source.png`) in all its gray values.

    Args:
        source: What `process_file` kept.
        frame: Which one, from 0.
        limits: Those under which the file was read; the defaults if None.

    Raises:
        Unreadable: the kept source is gone or damaged, or has no such frame.
    """
    limits = limits or Limits()
    data = read_within(source, limits)
    if kind_of(data) != "dicom":
        return _of_plain(read_plain(data, limits).stored)
    with silenced():
        dataset = load(data, limits)
        with decoding():
            layout = layout_of(dataset, UID(dataset.file_meta.TransferSyntaxUID), limits)
        if not 0 <= frame < layout.frames:
            raise Unreadable("inconsistent_pixels", cause="NoSuchFrame")
        for pixels in decoded_frames(dataset, layout, only=frame):
            with decoding():
                return deep_of(pixels, frame_header(dataset, frame, layout.frames), layout)
    raise Unreadable("truncated")


def deep_of(frame: NDArray[Any], header: Dataset, layout: Layout) -> Deep:
    """Give a decoded frame of a DICOM object with its transforms, as `ml.images.dicom_gray.shown` applies them.

    Args:
        frame: Stored values as `decoded_frames` gives them.
        header: As it holds for this frame.
        layout: Of the object.
    """
    if frame.ndim == 3:
        return _of_plain(gray_of_colour(frame, layout))
    first, step, pixels = _levelled(frame)
    levels = int(pixels.max()) + 1
    stored = first + step * np.arange(levels, dtype=np.int64)
    padding = _padded(padding_of(header, layout), first, step, levels)
    hounsfield = is_hounsfield(header)
    table = None if hounsfield else table_of(header, "ModalityLUTSequence", layout)
    real = modality_values(stored, header, layout) if table else stored
    slope, intercept = (rescale_of(header) or (1, 0)) if table is None else (1, 0)
    return Deep(
        pixels=pixels,
        levels=levels,
        first=first,
        step=step,
        slope=float(slope),
        intercept=float(intercept),
        modality=real.astype(np.uint16) if table else None,
        voi=None if hounsfield else table_of(header, "VOILUTSequence", layout),
        windows=_windows(window_of(header), real * slope + intercept, pixels, padding, hounsfield=hounsfield),
        padding=padding,
        inverted=not hounsfield and is_inverted(header, layout),
        units="HU" if hounsfield else "",
    )


def _of_plain(stored: Pixels) -> Deep:
    low, high, notes = shown_range(stored)
    levels = int(stored.max()) + 1
    file = {} if notes else {"file": _between(low, high)}
    return Deep(
        pixels=stored,
        levels=levels,
        first=0,
        step=1,
        slope=1.0,
        intercept=0.0,
        modality=None,
        voi=None,
        windows=file | {"auto": _automatic(np.arange(levels), stored, None)},
        padding=None,
        inverted=False,
        units="",
    )


def _levelled(frame: NDArray[Any]) -> tuple[int, int, Pixels]:
    """Give the lowest value, the step, and pixels in 8 or 16 bits. Only values beyond 16 bits lose anything."""
    first, last = int(frame.min()), int(frame.max())
    step = (last - first) // MOST_LEVELS + 1
    pixels = (frame.astype(np.int64) - first) // step
    if (last - first) // step < 256:
        return first, step, pixels.astype(np.uint8)
    return first, step, pixels.astype(np.uint16)


def _padded(ends: tuple[float, float] | None, first: int, step: int, levels: int) -> tuple[int, int] | None:
    if ends is None:
        return None
    low, high = max(0, int(np.ceil((ends[0] - first) / step))), min(levels - 1, int((ends[1] - first) // step))
    return (low, high) if low <= high else None


def _windows(
    named: Window | None, real: NDArray[Any], pixels: Pixels, padding: tuple[int, int] | None, *, hounsfield: bool
) -> dict[str, Window]:
    """Give the windows by name, in the order in which the first one counts; `real` is the value of each level."""
    lung = {"lung": LUNG} if hounsfield else {}
    return lung | ({"file": named} if named else {}) | {"auto": _automatic(real, pixels, padding)}


def _automatic(real: NDArray[Any], pixels: Pixels, padding: tuple[int, int] | None) -> Window:
    counts = np.bincount(pixels.ravel(), minlength=len(real))
    if padding is not None and counts.sum() > counts[padding[0] : padding[1] + 1].sum():
        counts[padding[0] : padding[1] + 1] = 0
    return _between(*percentile_range(real, counts))


def _between(low: float, high: float) -> Window:
    """Give the window that shows one value black and the other white."""
    return Window(center=(low + high) / 2, width=max(high - low, 1e-6), function="LINEAR_EXACT")


def packed(deep: Deep) -> bytes:
    """Give the bytes of the file."""
    header = json.dumps(deep.header(), separators=(",", ":")).encode()
    body = zlib.compressobj(QUICK)
    tables = (deep.voi.entries if deep.voi else None, deep.modality)
    parts = [body.compress(table.astype("<u2").tobytes()) for table in tables if table is not None]
    parts += [body.compress(plane.tobytes()) for plane in _planes(deep.pixels)]
    return b"".join([MAGIC, struct.pack("<I", len(header)), header, *parts, body.flush()])


def _planes(pixels: Pixels) -> list[NDArray[np.uint8]]:
    flat = pixels.ravel()
    before = np.zeros_like(flat)
    before[1:] = flat[:-1]
    if flat.dtype == np.uint8:
        small: NDArray[np.int8] = (flat - before).view(np.int8)
        return [((small << 1) ^ (small >> 7)).view(np.uint8)]
    change: NDArray[np.int16] = (flat - before).view(np.int16)
    folded = ((change << 1) ^ (change >> 15)).view(np.uint16)
    return [(folded & 0xFF).astype(np.uint8), (folded >> 8).astype(np.uint8)]
