"""Compressed frames inside DICOM: what size they say they have, and comments that must go.

A frame of its own may carry a comment, EXIF or a thumbnail, which no attribute list sees; and it
may claim to be larger than the header does. Both are dealt with before a decoder reads it.
"""

import re
from collections.abc import Iterator
from struct import unpack_from
from typing import Final

from ml.images.records import Unreadable

JP2_SIGNATURE: Final = b"\x00\x00\x00\x0cjP  "
JP2_KEPT: Final = {b"jP  ", b"ftyp", b"jp2h", b"jp2c"}
SOF: Final = {0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF, 0xF7}
APPLICATION: Final = range(0xE0, 0xF0)
COMMENT: Final = 0xFE
SCAN: Final = 0xDA
END: Final = 0xD9
# In entropy-coded data 0xFF is followed by a stuffed byte (JPEG: 0; JPEG-LS: below 0x80) or a restart.
NEXT_MARKER: Final = re.compile(rb"\xff[\x80-\xcf\xd8-\xfe]")


def cleaned(frame: bytes, rows: int, columns: int) -> bytes:
    """Give a compressed frame with comments, EXIF and thumbnails overwritten by zeros.

    Args:
        frame: JPEG, JPEG-LS, JPEG 2000 (bare or in boxes), or anything else, which is returned as it is.
        rows: What the header says; columns likewise.

    Returns:
        The same number of bytes: no offset inside the stream moves.

    Raises:
        Unreadable: the stream names another size, or is damaged before its end.
    """
    if frame.startswith(b"\xff\xd8"):
        return _cleaned_jpeg(frame, rows, columns)
    if frame.startswith(JP2_SIGNATURE):
        return _cleaned_jp2(frame, rows, columns)
    if frame.startswith(b"\xff\x4f\xff\x51"):
        clean = bytearray(frame)
        _clean_j2k(clean, 0, len(clean), (rows, columns))
        return bytes(clean)
    raise Unreadable("unreadable", cause="UnknownCodestream")


def _cleaned_jpeg(frame: bytes, rows: int, columns: int) -> bytes:
    clean = bytearray(frame)
    sized = False
    for marker, start, end in _jpeg_segments(frame):
        if marker in SOF:
            _expect((rows, columns), unpack_from(">HH", frame, start + 1))
            sized = True
        elif marker == COMMENT or (marker in APPLICATION and not _needed(marker, frame[start:end])):
            clean[start:end] = bytes(end - start)
        elif marker == END:
            clean[end:] = bytes(len(clean) - end)
    if not sized:
        raise Unreadable("unreadable", cause="NoFrameHeader")
    return bytes(clean)


def _needed(marker: int, payload: bytes) -> bool:
    """Whether an application segment tells how colours are coded, and nothing else."""
    return (
        (marker == 0xE0 and payload.startswith(b"JFIF\0") and len(payload) == 14)
        or (marker == 0xE8 and payload.startswith(b"mrfx") and len(payload) <= 6)
        or (marker == 0xEE and payload.startswith(b"Adobe") and len(payload) == 12)
    )


def _jpeg_segments(frame: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield marker, start and end of the payload of each segment up to the end of the image."""
    at = 2
    while at + 2 <= len(frame):
        if frame[at] != 0xFF:
            raise Unreadable("unreadable", cause="LostMarker")
        marker = frame[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
            continue
        if marker == END:
            yield END, at + 2, at + 2
            return
        (length,) = unpack_from(">H", frame, at + 2)
        start, end = at + 4, at + 2 + length
        if length < 2 or end > len(frame):
            raise Unreadable("truncated", cause="CutSegment")
        yield marker, start, end
        at = end
        if marker == SCAN:
            found = NEXT_MARKER.search(frame, end)
            if found is None:  # no end marker: many writers leave it out, decoders accept it
                return
            at = found.start()


def _cleaned_jp2(frame: bytes, rows: int, columns: int) -> bytes:
    clean = bytearray(frame)
    at, sized = 0, False
    while at + 8 <= len(frame):
        length, kind = unpack_from(">I4s", frame, at)
        start, end = at + 8, at + length if length else len(frame)
        if length == 1:
            start, end = at + 16, at + unpack_from(">Q", frame, at + 8)[0]
        if end < start or end > len(frame):
            raise Unreadable("truncated", cause="CutBox")
        if kind == b"jp2c":
            _clean_j2k(clean, start, end, (rows, columns))
            sized = True
        elif kind not in JP2_KEPT:
            clean[start:end] = bytes(end - start)
        at = end
    if not sized:
        raise Unreadable("unreadable", cause="NoCodestream")
    return bytes(clean)


def _clean_j2k(clean: bytearray, start: int, stop: int, size: tuple[int, int]) -> None:
    """Check the size and zero the comments of the main header and of each tile-part header."""
    at, tile_part = start + 2, 0
    while at + 4 <= stop:
        marker, length = unpack_from(">HH", clean, at)
        if marker == 0xFFD9:
            clean[at + 2 : stop] = bytes(stop - at - 2)
            return
        if marker == 0xFF93:  # start of data: skip to the next tile-part
            at = tile_part
            continue
        if marker == 0xFF51:
            x_size, y_size, x_offset, y_offset = unpack_from(">IIII", clean, at + 6)
            _expect(size, (y_size - y_offset, x_size - x_offset))
        elif marker == 0xFF64:
            clean[at + 6 : at + 2 + length] = bytes(max(0, length - 4))
        elif marker == 0xFF90:
            (part,) = unpack_from(">I", clean, at + 6)
            tile_part = at + part if part else stop
            if tile_part < at + 14:
                raise Unreadable("unreadable", cause="TilePartLength")
        elif marker < 0xFF00:
            raise Unreadable("unreadable", cause="LostMarker")
        at += 2 + length


def _expect(said: tuple[int, int], found: tuple[int, ...]) -> None:
    if found != said:
        raise Unreadable("inconsistent_pixels", cause="SizeInStream")
