"""How the pixels of a DICOM object lie, checked against its bytes before a decoder sees them.

Rows x columns x frames x bits that promise more than there is, or more than is allowed, are the
commonest attack on DICOM readers, and the commonest sign of damage that decoders accept in silence.
"""

from dataclasses import dataclass
from typing import Any, Final

from pydicom import Dataset
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from ml.images.records import Limits, Unreadable

NATIVE: Final = frozenset(
    {
        ImplicitVRLittleEndian,
        ExplicitVRLittleEndian,
        ExplicitVRBigEndian,
        DeflatedExplicitVRLittleEndian,
    }
)
COMPRESSED: Final = frozenset(
    {
        JPEGBaseline8Bit,
        JPEGExtended12Bit,
        JPEGLossless,
        JPEGLosslessSV1,
        JPEGLSLossless,
        JPEGLSNearLossless,
        JPEG2000,
        JPEG2000Lossless,
        HTJ2K,
        HTJ2KLossless,
        HTJ2KLosslessRPCL,
        RLELossless,
    }
)
MONOCHROME: Final = frozenset({"MONOCHROME1", "MONOCHROME2"})
COLOUR: Final = frozenset({"RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT", "YBR_PARTIAL_420"})
PHOTOMETRIC: Final = MONOCHROME | COLOUR | {"PALETTE COLOR"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The pixel module of a DICOM object, checked."""

    rows: int
    columns: int
    frames: int
    samples: int
    allocated: int  # bits, 1, 8, 16 or 32
    stored: int  # bits, at most `allocated`
    high: int  # the highest bit in use
    signed: bool
    photometric: str
    syntax: str

    @property
    def native(self) -> bool:
        return self.syntax in NATIVE

    @property
    def native_bytes(self) -> int:
        """The bytes of all frames, not compressed; what padding to an even length adds is left out."""
        samples = self.rows * self.columns * self.samples * self.frames
        if self.photometric == "YBR_FULL_422" and self.native:  # two pixels share their colours
            samples = samples // 3 * 2
        return (samples * self.allocated + 7) // 8


def layout_of(header: Dataset, syntax: str, limits: Limits) -> Layout:
    """Read and check how the pixels lie.

    Raises:
        Unreadable: `no_pixels`, `unsupported_transfer_syntax`, `unsupported_pixels`,
            `inconsistent_pixels`, `truncated`, `too_many_pixels` or `too_many_frames`.
    """
    if "PixelData" not in header:
        floating = "FloatPixelData" in header or "DoubleFloatPixelData" in header
        raise Unreadable("unsupported_pixels" if floating else "no_pixels")
    if syntax not in NATIVE | COMPRESSED:
        raise Unreadable("unsupported_transfer_syntax")
    layout = Layout(
        rows=_whole(header, "Rows", most=65535),
        columns=_whole(header, "Columns", most=65535),
        frames=_whole(header, "NumberOfFrames", absent=1, most=2**31),
        samples=_whole(header, "SamplesPerPixel", absent=1, most=4),
        allocated=_whole(header, "BitsAllocated", most=64),
        stored=_whole(header, "BitsStored", most=64),
        high=_whole(header, "HighBit", absent=_whole(header, "BitsStored", most=64) - 1, least=0, most=63),
        signed=bool(_whole(header, "PixelRepresentation", absent=0, least=0, most=1)),
        photometric=str(header.get("PhotometricInterpretation", "")).strip().upper(),
        syntax=syntax,
    )
    _check_kind(layout)
    if layout.photometric == "PALETTE COLOR" and "RedPaletteColorLookupTableData" not in header:
        raise Unreadable("unsupported_pixels", cause="SegmentedPalette")
    _check_size(layout, limits)
    if layout.native:
        _check_length(layout, header.PixelData)
    return layout


def _whole(header: Dataset, keyword: str, *, least: int = 1, most: int, absent: int | None = None) -> int:
    value: Any = header.get(keyword)
    if value is None or value == "":
        if absent is None:
            raise Unreadable("inconsistent_pixels", cause=keyword)
        return absent
    if not isinstance(value, int) or not least <= value <= most:
        raise Unreadable("inconsistent_pixels", cause=keyword)
    return int(value)


def _check_kind(layout: Layout) -> None:
    if layout.photometric not in PHOTOMETRIC:
        raise Unreadable("unsupported_pixels", cause="PhotometricInterpretation")
    if layout.samples != (3 if layout.photometric in COLOUR else 1):
        raise Unreadable("inconsistent_pixels", cause="SamplesPerPixel")
    if layout.allocated not in {1, 8, 16, 32} or (layout.samples == 3 and layout.allocated not in {8, 16}):
        raise Unreadable("unsupported_pixels", cause="BitsAllocated")
    if layout.syntax == JPEGExtended12Bit and layout.allocated > 8:
        raise Unreadable("unsupported_transfer_syntax", cause="TwelveBits")  # no free decoder is exact
    if not layout.stored - 1 <= layout.high < layout.allocated:
        raise Unreadable("inconsistent_pixels", cause="BitsStored")


def _check_size(layout: Layout, limits: Limits) -> None:
    if layout.rows * layout.columns > limits.max_pixels:
        raise Unreadable("too_many_pixels")
    if layout.frames > limits.max_frames:
        raise Unreadable("too_many_frames")
    if layout.native_bytes > limits.max_inflated_bytes:
        raise Unreadable("too_many_pixels", cause="AllFrames")


def _check_length(layout: Layout, pixels: bytes) -> None:
    """Allow what writers add at the end: zeros, or less than a row. More means that a number is wrong."""
    excess = pixels[layout.native_bytes :]
    one_row = max(2, layout.columns * layout.samples * layout.allocated // 8)
    if len(pixels) < layout.native_bytes:
        raise Unreadable("truncated")
    if len(excess) >= one_row and any(excess):
        raise Unreadable("inconsistent_pixels", cause="PixelData")
