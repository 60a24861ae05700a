"""JPEG 2000 radiographs at a half, a quarter or an eighth of their size, without the wavelets that nothing needs.

The largest of what is made of a picture is the preview. Where even that is smaller than a reduced picture, the finest
levels are not decoded: they take most of the time. What was sent is kept whole.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from struct import unpack_from
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom import FileDataset
from pydicom.encaps import generate_frames
from pydicom.uid import JPEG2000, JPEG2000Lossless

from ml.images.boundary import decoding
from ml.images.dicom_routing import RADIOGRAPHS
from ml.images.header import number, word
from ml.images.layout import MONOCHROME, Layout
from ml.images.preview import LONGEST
from ml.images.records import Unreadable
from ml.vocabulary import PLANE_BORDER, PLANE_SIDE

SYNTAXES: Final = frozenset({JPEG2000, JPEG2000Lossless})
MOST: Final = 3  # levels; each halves both sides
SHORTEST: Final = round(PLANE_SIDE / (1 - 2 * PLANE_BORDER))  # pixels: what is left of it fills a plane
SIZE: Final = b"\xff\x4f\xff\x51"  # a codestream begins so, with its size
STYLE: Final = 0xFF52  # how it is coded, its levels among that
END: Final = b"\xff\xd9"


@dataclass(frozen=True, slots=True)
class _Stream:
    """What a codestream says of itself before its first tile."""

    columns: int
    rows: int
    components: int
    bits: int
    signed: bool
    levels: int  # of wavelets


def levels_to_spare(dataset: FileDataset, layout: Layout) -> int:
    """How many levels of a radiograph need not be decoded; 0 for whatever is not plainly fit for it.

    Args:
        dataset: De-identified, or sent; the answer is the same.
        layout: Of the object.
    """
    fit = layout.syntax in SYNTAXES and layout.photometric in MONOCHROME and layout.allocated in {8, 16}
    fit &= word(dataset, "Modality") in RADIOGRAPHS and layout.high == layout.stored - 1
    if not fit or number(dataset, "PixelPaddingValue") is not None:  # half of it is no padding any more
        return 0
    most = _levels_of(layout.rows, layout.columns)
    for frame in codestreams(dataset, layout) if most else ():
        stream = _stream_of(frame)
        said = (layout.columns, layout.rows, 1, layout.stored, layout.signed)
        if stream is None or said != (stream.columns, stream.rows, stream.components, stream.bits, stream.signed):
            return 0
        most = min(most, stream.levels)
    return most


def _levels_of(rows: int, columns: int) -> int:
    sides = sorted((rows, columns))
    able = (
        left
        for left in range(MOST, 0, -1)
        if sides[0] >> left >= SHORTEST and sides[1] >> left >= LONGEST and all(_agreed(side, left) for side in sides)
    )
    return next(able, 0)


def _agreed(side: int, levels: int) -> bool:
    """Whether Pillow, which rounds a reduced side to the nearest, expects what the decoder gives, which rounds up."""
    return (side + (1 << levels) // 2) >> levels == -(-side >> levels)


def codestreams(dataset: FileDataset, layout: Layout) -> Iterator[bytes]:
    """Give the compressed frames, without what pads them."""
    with decoding():
        for frame in generate_frames(dataset.PixelData, number_of_frames=layout.frames):
            yield frame[: frame.rfind(END) + len(END)] if END in frame else frame


def _stream_of(frame: bytes) -> _Stream | None:
    """Read the main header; None where it is not one of the plain kind."""
    if not frame.startswith(SIZE) or len(frame) < 64:
        return None
    length, _, columns, rows, left, top = unpack_from(">HHIIII", frame, 4)
    components, depth = unpack_from(">HB", frame, 40)
    at, levels = 4 + length, 0
    while at + 4 <= len(frame) and not levels:
        marker, length = unpack_from(">HH", frame, at)
        if not 0xFF52 <= marker <= 0xFF64 or at + 10 > len(frame):  # the main header is over
            return None
        levels = frame[at + 9] if marker == STYLE else 0
        at += 2 + length
    if left or top:
        return None
    return _Stream(columns, rows, components, (depth & 0x7F) + 1, bool(depth & 0x80), levels)


def reduced_frames(dataset: FileDataset, layout: Layout, levels: int) -> Iterator[NDArray[Any]]:
    """Decode the frames without their finest levels.

    Args:
        dataset: Of which `levels_to_spare` said so many.
        layout: Of the object.
        levels: To leave out, 1 to 3.

    Yields:
        Stored values, as `decoded_frames` gives them of the whole picture: `(rows, columns)` divided by 2 ** levels and
        rounded up.

    Raises:
        Unreadable: a frame is damaged, or holds less than it says.
    """
    step = 2**levels
    shape = (-(-layout.rows // step), -(-layout.columns // step))
    for frame in codestreams(dataset, layout):
        with decoding(), Image.open(BytesIO(frame), formats=["JPEG2000"]) as image:
            image.reduce = levels  # type: ignore[assignment, method-assign] # a property of this format
            image.load()
            values = np.asarray(image)
        if values.shape != shape or values.dtype not in (np.uint8, np.uint16):
            raise Unreadable("inconsistent_pixels", cause="ReducedShape")
        yield _as_stored(values, layout)


def _as_stored(values: NDArray[Any], layout: Layout) -> NDArray[Any]:
    """Undo how Pillow gives values: from 0, and spread over all bits of their type."""
    values = values >> (values.dtype.itemsize * 8 - layout.stored)
    if layout.signed:
        values = values.astype(np.int32) - 2 ** (layout.stored - 1)
    return values.astype(np.dtype(f"{'i' if layout.signed else 'u'}{layout.allocated // 8}"))
