"""DICOM objects: opened without trusting them, and decoded frame by frame."""

import zlib
from collections.abc import Iterator
from io import BytesIO
from struct import unpack_from
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, FileDataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.pixels.processing import apply_color_lut
from pydicom.pixels.utils import iter_pixels
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from ml.images.boundary import decoding
from ml.images.codestreams import cleaned
from ml.images.header import uid, word
from ml.images.layout import Layout
from ml.images.records import Limits, Unreadable
from ml.images.sniff import PREAMBLE

# Where pydicom may not try one decoder after the other: CharLS takes seconds over a damaged
# frame of 64 x 60 pixels that GDCM refuses at once (November 2026).
PLUGINS: Final[dict[str, str]] = {JPEGLSLossless: "gdcm", JPEGLSNearLossless: "gdcm"}
META: Final = 0x0002
SYNTAX: Final = 0x0010
LONG: Final = {b"OB", b"OW", b"OD", b"OF", b"OL", b"OV", b"SQ", b"UC", b"UR", b"UT", b"UN", b"SV", b"UV"}
STORAGE: Final = "1.2.840.10008.5.1.4.1.1."
NO_PICTURE_CLASSES: Final = (
    "1.2.840.10008.1.3.10",  # directory
    *(STORAGE + part for part in ("88.", "11.", "66.", "104.", "9.", "67", "481.3", "481.5", "481.8")),
)
NO_PICTURE: Final = {
    *("SR", "PR", "KO", "SEG", "DOC", "REG", "FID", "AU", "ECG", "HD", "EPS", "PLAN", "RWV", "SMR", "STAIN"),
    *("ASMT", "M3D", "OSS", "RTSTRUCT", "RTPLAN", "RTRECORD", "RTINTENT", "TEXTUREMAP"),
}


def load(data: bytes, limits: Limits) -> FileDataset:
    """Parse a DICOM file, with or without preamble, as far as its transfer syntax is sure.

    Args:
        data: The whole file.
        limits: How far a deflated data set may expand.

    Raises:
        Unreadable: damaged, `decoder_limit` if it expands too far, or `not_an_image`.
    """
    with decoding():
        if data[PREAMBLE : PREAMBLE + 4] != b"DICM" and data[:2] == META.to_bytes(2, "little"):
            data = bytes(PREAMBLE) + b"DICM" + data
        syntax, start = _file_meta(data)
        if syntax == DeflatedExplicitVRLittleEndian:
            _check_inflation(data[start:], limits)
        dataset = dcmread(BytesIO(data), force=True)
        if not len(dataset):
            raise Unreadable("unreadable", cause="NoElements")
        _settle_syntax(dataset)
        _refuse_what_is_no_picture(dataset)
        return dataset


def _file_meta(data: bytes) -> tuple[str, int]:
    """Give the transfer syntax and where the data set begins; an empty syntax without file meta."""
    at, syntax = (PREAMBLE + 4, "") if data[PREAMBLE : PREAMBLE + 4] == b"DICM" else (0, "")
    while at + 8 <= len(data):
        group, element, vr, length = unpack_from("<HH2sH", data, at)
        if group != META:
            break
        at += 8
        if vr in LONG:
            (length,) = unpack_from("<I", data, at)
            at += 4
        if element == SYNTAX:
            syntax = data[at : at + length].strip(b" \0").decode("ascii", "replace")
        at += length
    return syntax, at


def _check_inflation(deflated: bytes, limits: Limits) -> None:
    """Refuse what would expand beyond the limit: pydicom inflates all at once."""
    inflater, total, piece = zlib.decompressobj(-zlib.MAX_WBITS), 0, 4 * 1024 * 1024
    rest = deflated
    while rest and not inflater.eof:
        total += len(inflater.decompress(rest, piece))
        if total > limits.max_inflated_bytes:
            raise Unreadable("decoder_limit", cause="Deflated")
        rest = inflater.unconsumed_tail


def _settle_syntax(dataset: FileDataset) -> None:
    """Write down the transfer syntax that pydicom read by, where the file names none."""
    if not hasattr(dataset, "file_meta"):
        dataset.file_meta = FileMetaDataset()
    if dataset.file_meta.get("TransferSyntaxUID"):
        return
    implicit, little = dataset.original_encoding
    explicit = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
    dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else explicit


def _refuse_what_is_no_picture(dataset: FileDataset) -> None:
    classes = (uid(dataset, "SOPClassUID"), uid(dataset.file_meta, "MediaStorageSOPClassUID"))
    if any(name and name.startswith(NO_PICTURE_CLASSES) for name in classes):
        raise Unreadable("not_an_image")
    if word(dataset, "Modality") in NO_PICTURE or "DirectoryRecordSequence" in dataset:
        raise Unreadable("not_an_image")


def tidy_pixels(dataset: Dataset, layout: Layout) -> None:
    """Replace the pixel data by the same frames without anything that is not pixels.

    Native: bytes after the last frame are cut, and bits that no pixel uses (where old devices
    burned overlays) get what the sign asks for. Compressed: comments inside the frames are zeroed.

    Raises:
        Unreadable: there are fewer frames than the header says, or one says another size.
    """
    with decoding():
        if layout.native:
            tidy = _tidy_native(dataset.PixelData[: layout.native_bytes], layout)
            dataset.PixelData = tidy + b"\0" * (len(tidy) % 2)
            return
        frames = list(generate_frames(dataset.PixelData, number_of_frames=layout.frames))
        if len(frames) != layout.frames:
            raise Unreadable("truncated" if len(frames) < layout.frames else "inconsistent_pixels")
        if layout.syntax != RLELossless:
            frames = [cleaned(frame, layout.rows, layout.columns) for frame in frames]
        dataset.PixelData = encapsulate(frames)
        for keyword in ("ExtendedOffsetTable", "ExtendedOffsetTableLengths"):  # they name old offsets
            if keyword in dataset:
                delattr(dataset, keyword)


def _tidy_native(pixels: bytes, layout: Layout) -> bytes:
    if layout.allocated in {1, layout.stored}:
        return pixels
    order = ">" if layout.syntax == ExplicitVRBigEndian else "<"
    raw = np.frombuffer(pixels, np.dtype(f"{order}u{layout.allocated // 8}"))
    every = 2**layout.allocated - 1
    above = every & ~(2 ** (layout.high + 1) - 1)
    used = every & ~above & ~(2 ** (layout.high + 1 - layout.stored) - 1)
    tidy = raw & raw.dtype.type(used)
    if layout.signed:
        negative = (raw & raw.dtype.type(1 << layout.high)) != 0
        tidy[negative] |= raw.dtype.type(above)
    return bytes(tidy.astype(raw.dtype).tobytes())  # numpy turns big-endian operands to native


def decoded_frames(
    dataset: FileDataset, layout: Layout, *, only: int | None = None, indexed: bool = False
) -> Iterator[NDArray[Any]]:
    """Decode the frames one after the other, or `only` one, counted from 0.

    Yields:
        Integer arrays of stored values: `(rows, columns)`, or `(rows, columns, 3)` as RGB. Those of a palette
        are looked up in it, unless they are wanted `indexed`.

    Raises:
        Unreadable: a frame is damaged or has another shape than the header says.
    """
    indices = range(layout.frames) if only is None else (only,)
    frames = iter_pixels(dataset, indices=indices, decoding_plugin=PLUGINS.get(layout.syntax, ""))
    for _ in indices:
        with decoding():
            try:
                frame = next(frames)
            except StopIteration:
                raise Unreadable("truncated", cause="Frames") from None
            if frame.shape[:2] != (layout.rows, layout.columns):
                raise Unreadable("inconsistent_pixels", cause="DecodedShape")
            if layout.photometric == "PALETTE COLOR" and not indexed:
                frame = apply_color_lut(frame, dataset)
        yield frame
