"""PNG and JPEG files: bytes in, gray values out. Text, EXIF and colour profiles stay behind."""

import io
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ml.images.boundary import decoding
from ml.images.gray import percentile_range, scale, to_bytes
from ml.images.records import Limits, Unreadable
from ml.images.sniff import kind_of
from ml.vocabulary import Note

COLOUR_STEP: Final = 24  # gray values between channels that JPEG rounding alone does not reach
COLOUR_PART: Final = 0.002  # of the pixels: an annotation in colour, not a stray pixel
ORIENTATION: Final = 0x0112  # the one EXIF tag that changes what is seen
UPRIGHT: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True, slots=True)
class PlainPicture:
    """A decoded PNG or JPEG."""

    stored: NDArray[np.uint8] | NDArray[np.uint16]  # (rows, columns): what is kept, without loss
    gray: NDArray[np.uint8]  # (rows, columns): what is shown and what models see
    notes: tuple[Note, ...]
    window: str  # the stored values that are shown black and white, "low..high"


def read_plain(data: bytes, limits: Limits | None = None) -> PlainPicture:
    """Decode a PNG or JPEG into gray values, upright, with transparency flattened on black.

    Args:
        data: The whole file. Of an animated or a multi-picture file, the first picture counts.
        limits: What is refused before it is decoded; the defaults if None.

    Raises:
        Unreadable: the file is damaged, too large, or no PNG or JPEG.
    """
    limits = limits or Limits()
    with decoding(), _opened(data) as image:
        if image.width * image.height > limits.max_pixels:
            raise Unreadable("too_many_pixels")
        image.load()
        turn = UPRIGHT.get(_orientation(image))
        upright = image if turn is None else image.transpose(turn)
        if upright.mode.startswith("I"):
            return _from_16_bits(np.array(upright).astype(np.uint16))
        flat = _flattened(upright)
        notes = (Note.COLOUR,) if flat.mode == "RGB" and is_coloured(np.asarray(flat)) else ()
        levels = np.array(flat.convert("L"), np.uint8)
        return PlainPicture(levels, levels, notes, "0..255")


def with_stored(plain: PlainPicture, stored: NDArray[np.uint8] | NDArray[np.uint16]) -> PlainPicture:
    """Give a picture of which other values are kept, as it would be read from its kept source."""
    if stored.dtype == np.uint8:
        return PlainPicture(stored.astype(np.uint8), stored.astype(np.uint8), plain.notes, plain.window)
    return _from_16_bits(stored.astype(np.uint16))


def is_coloured(picture: NDArray[np.uint8]) -> bool:
    """Whether a picture of shape `(rows, columns, 3)` holds colour, not only gray stored as RGB."""
    step = max(1, min(picture.shape[:2]) // 256)
    sample = picture[::step, ::step].astype(np.int16)
    spread = sample.max(axis=2) - sample.min(axis=2)
    return bool((spread > COLOUR_STEP).mean() > COLOUR_PART)


def _opened(data: bytes) -> Image.Image:
    if kind_of(data) == "dicom":
        raise Unreadable("not_an_image_file")
    try:
        return Image.open(io.BytesIO(data), formats=["PNG", "JPEG"])
    except Image.DecompressionBombError:
        raise Unreadable("too_many_pixels") from None


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(ORIENTATION, 1))
    except Exception:  # noqa: BLE001 - EXIF is dropped: damage in it must not refuse a sound picture
        return 1


def _flattened(image: Image.Image) -> Image.Image:
    """Give the picture as L or RGB, transparency on black, as most viewers show it."""
    if image.mode in {"L", "RGB"} and "transparency" not in image.info:
        return image
    if image.mode in {"1", "CMYK", "YCbCr", "LAB", "HSV"}:
        return image.convert("L" if image.mode == "1" else "RGB")
    clear = image.convert("RGBA")
    black = Image.new("RGBA", clear.size, (0, 0, 0, 255))
    return Image.alpha_composite(black, clear).convert("RGB")


def _from_16_bits(stored: NDArray[np.uint16]) -> PlainPicture:
    """Scale 16-bit values. A picture that leaves the top bit unused was not scaled for display.

    Exports of 12 bits in a 16-bit file are common; by the nominal range they would be nearly black.
    """
    low, high, notes = shown_range(stored)
    table = to_bytes(scale(np.arange(2**16), low, high))
    return PlainPicture(stored, table[stored], notes, f"{low:g}..{high:g}")


def shown_range(stored: NDArray[np.uint8] | NDArray[np.uint16]) -> tuple[float, float, tuple[Note, ...]]:
    """Give the stored values that are shown black and white, and what is to be noted about them."""
    if stored.dtype == np.uint8:
        return 0, 255, ()
    counts = np.bincount(stored.ravel(), minlength=2**16)
    if counts[2**15 :].any():
        return 0, 65535, ()
    return *percentile_range(np.arange(2**16), counts), (Note.WINDOW_GUESSED,)
