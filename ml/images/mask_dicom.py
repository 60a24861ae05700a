"""Text filled in a DICOM object: its frames decoded, filled, and written back without loss."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, FileDataset
from pydicom.encaps import encapsulate
from pydicom.pixels.encoders.base import RLELosslessEncoder
from pydicom.uid import (
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLSNearLossless,
    RLELossless,
)

from ml.images.boundary import decoding
from ml.images.deidentify import add_code
from ml.images.dicom import decoded_frames
from ml.images.dicom_gray import shown
from ml.images.header import frame_header
from ml.images.layout import Layout, layout_of
from ml.images.masking import filled, grown, text_of
from ml.images.records import Limits
from ml.images.text import Region

LOSSY: Final = {JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLSNearLossless}
PALETTE: Final = "PALETTE COLOR"


@dataclass(frozen=True, slots=True)
class Masked:
    """What masking made of an object."""

    layout: Layout  # of the object now
    regions: int
    pixels_sha256: str  # of the decoded frames before: the same file names the same picture, masked or not


def mask_text(dataset: FileDataset, layout: Layout, limits: Limits) -> Masked | None:
    """Fill what seems to be text in all frames; None, and nothing changed, where no frame seems to hold any.

    What is found in one frame is filled in all: a name is burned in at one place, and may be lost
    in one frame before a bright background. Native pixels stay in their transfer syntax; compressed ones
    become RLE Lossless; colour becomes RGB. A palette stays, and so does the size of its pixels.

    Args:
        dataset: De-identified; its pixels, their description and its method codes are replaced.
        layout: Of the object.
        limits: As for reading.

    Raises:
        Unreadable: a frame is damaged.

    Source:
        DICOM PS3.15 E.3.1 (clean pixel data), PS3.5 A.4.2 and annex G (RLE).
    """
    found: set[Region] = set()
    digest = hasher(layout)
    for frame, pixels in enumerate(decoded_frames(dataset, layout)):
        feed(digest, pixels)
        found.update(text_of(_gray(pixels, dataset, layout, frame), pixels))
    if not found:
        return None
    boxes = grown(found, layout.rows, layout.columns)
    with decoding():
        _replace(dataset, layout, _filled_frames(dataset, layout, boxes))
        add_code(dataset, "113101", "Clean Pixel Data Option")
        now = layout_of(dataset, dataset.file_meta.TransferSyntaxUID, limits)
    return Masked(now, len(boxes), digest.hexdigest())


def hasher(layout: Layout) -> Any:
    """Begin the hash of all decoded frames of an object; `feed` it with each."""
    return hashlib.sha256(f"{layout.rows}x{layout.columns}x{layout.samples}x{layout.frames}".encode())


def feed(digest: Any, pixels: NDArray[Any]) -> None:
    """Add one decoded frame."""
    digest.update(pixels.dtype.str.encode() + pixels.tobytes())


def _gray(pixels: NDArray[Any], dataset: Dataset, layout: Layout, frame: int) -> NDArray[np.uint8]:
    with decoding():
        return shown(pixels, frame_header(dataset, frame, layout.frames), layout).gray


def _filled_frames(dataset: FileDataset, layout: Layout, boxes: Sequence[Region]) -> Iterator[NDArray[Any]]:
    kept = decoded_frames(dataset, layout, indexed=True)
    looked_up = decoded_frames(dataset, layout) if layout.photometric == PALETTE else None
    for frame, pixels in enumerate(kept):
        yield filled(pixels, _gray(next(looked_up) if looked_up else pixels, dataset, layout, frame), boxes)


def _replace(dataset: FileDataset, layout: Layout, frames: Iterable[NDArray[Any]]) -> None:
    """Write frames as they were decoded: in samples of whole bytes, colour as RGB, pixel by pixel."""
    syntax = dataset.file_meta.TransferSyntaxUID
    pieces: list[bytes] = []
    for pixels in frames:
        bits = pixels.dtype.itemsize * 8
        colour = pixels.ndim == 3
        raw = pixels.astype(pixels.dtype.newbyteorder(">" if syntax == ExplicitVRBigEndian else "<")).tobytes()
        pieces.append(raw if layout.native else _packed(raw, pixels, layout))
    _describe(dataset, bits, colour=colour)
    if layout.native:
        joined = b"".join(pieces)
        wide = bits > 8 or syntax == ImplicitVRLittleEndian
        dataset.add_new("PixelData", "OW" if wide else "OB", joined + b"\0" * (len(joined) % 2))
        return
    dataset.add_new("PixelData", "OB", encapsulate(pieces))
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = RLELossless
    dataset.set_original_encoding(is_implicit_vr=False, is_little_endian=True)
    if syntax in LOSSY:  # the transfer syntax no longer says so
        dataset.LossyImageCompression = "01"


def _packed(raw: bytes, pixels: NDArray[Any], layout: Layout) -> bytes:
    samples = pixels.shape[2] if pixels.ndim == 3 else 1
    bits = pixels.dtype.itemsize * 8
    packed: bytes = RLELosslessEncoder.encode(
        raw,
        rows=layout.rows,
        columns=layout.columns,
        number_of_frames=1,
        samples_per_pixel=samples,
        bits_allocated=bits,
        bits_stored=min(bits, layout.stored) if samples == 1 else bits,
        pixel_representation=int(layout.signed),
        photometric_interpretation="RGB" if samples == 3 else layout.photometric,
        planar_configuration=0,
    )
    return packed


def _describe(dataset: FileDataset, bits: int, *, colour: bool) -> None:
    dataset.BitsAllocated = bits
    if colour:
        dataset.PhotometricInterpretation, dataset.SamplesPerPixel = "RGB", 3
        dataset.PlanarConfiguration, dataset.PixelRepresentation = 0, 0
