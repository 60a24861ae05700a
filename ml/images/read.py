"""The way in: one file from the incoming store becomes a kept source, previews and planes."""

import hashlib
from itertools import islice
from pathlib import Path

import numpy as np
from pydicom.uid import UID

from ml.images.assess import PLAIN
from ml.images.boundary import decoding, silenced
from ml.images.dicom import decoded_frames, load
from ml.images.kept import Kept
from ml.images.layout import layout_of
from ml.images.mask_dicom import feed, hasher
from ml.images.masking import filled, grown, text_of
from ml.images.plain import PlainPicture, read_plain, with_stored
from ml.images.plane import Whole, make_plane, make_plane_of_reduced
from ml.images.png import make_png
from ml.images.read_dicom import process_dicom, shown_frame
from ml.images.records import Limits, Options, Picture, Processed, Unreadable
from ml.images.reduced import levels_to_spare, reduced_frames
from ml.images.sniff import Kind, kind_of
from ml.vocabulary import PIPELINE, REDUCED_PIPELINE

__all__ = ["Limits", "Options", "Picture", "Processed", "Unreadable", "process_file", "rebuild_plane", "whole_pixels"]


def process_file(source: Path, out: Path, options: Options) -> Processed:
    """Read one file of any accepted kind once, and write what is kept of it into `out`.

    Args:
        source: The bytes as they were sent; the name is never looked at.
        out: An existing folder. Gets `source.dcm` (de-identified) or `source.png` (gray, with the
            depth of the original), and for each frame N `N.jpg` (preview, longest side at most
            1024) and `N.plane` (512 x 512 uint8).
        options: Key, modality and limits of the site and the upload.

    Raises:
        Unreadable: the file is refused; its `code` says why. `out` may hold some files then.
    """
    data = read_within(source, options.limits)
    kind = kind_of(data)
    kept = Kept(out, options)
    if kind == "dicom":
        with silenced():
            return process_dicom(data, kept)
    return _process_plain(data, kind, kept)


def rebuild_plane(source: Path, frame: int, limits: Limits | None = None, pipeline: str = PIPELINE) -> bytes:
    """Make the plane of one frame again from the kept source (`source.dcm` or `source.png`).

    Args:
        source: What `process_file` kept.
        frame: Which one, from 0.
        limits: Those under which the file was read; the defaults if None.
        pipeline: The one that `process_file` named.

    Returns:
        512 x 512 bytes, the same as `process_file` wrote.

    Raises:
        Unreadable: the kept source is gone or damaged, or has no such frame.
    """
    limits = limits or Limits()
    data = read_within(source, limits)
    if kind_of(data) != "dicom":
        return make_plane(read_plain(data, limits).gray).tobytes()
    dataset = load(data, limits)
    with decoding():
        layout = layout_of(dataset, UID(dataset.file_meta.TransferSyntaxUID), limits)
    if not 0 <= frame < layout.frames:
        raise Unreadable("inconsistent_pixels", cause="NoSuchFrame")
    with decoding():
        levels = levels_to_spare(dataset, layout) if pipeline == REDUCED_PIPELINE else 0
    if levels:
        for pixels in islice(reduced_frames(dataset, layout, levels), frame, frame + 1):
            whole = Whole(layout.rows, layout.columns, levels)
            return make_plane_of_reduced(shown_frame(pixels, dataset, layout, frame).gray, whole).tobytes()
    for pixels in decoded_frames(dataset, layout, only=frame):
        return make_plane(shown_frame(pixels, dataset, layout, frame).gray).tobytes()
    raise Unreadable("truncated")


def whole_pixels(source: Path, limits: Limits | None = None) -> str:
    """Hash all stored values of a kept DICOM source, as `process_file` names them where it reads it whole.

    Raises:
        Unreadable: it is gone or damaged.
    """
    limits = limits or Limits()
    dataset = load(read_within(source, limits), limits)
    with decoding():
        layout = layout_of(dataset, UID(dataset.file_meta.TransferSyntaxUID), limits)
    digest = hasher(layout)
    for pixels in decoded_frames(dataset, layout):
        feed(digest, pixels)
    return str(digest.hexdigest())


def read_within(source: Path, limits: Limits) -> bytes:
    """Read a file that is not larger than the limits allow.

    Raises:
        Unreadable: it is larger, gone, or cannot be read.
    """
    try:
        if source.stat().st_size > limits.max_file_bytes:
            raise Unreadable("too_large")
        return source.read_bytes()
    except OSError as failure:
        missing = isinstance(failure, FileNotFoundError)
        raise Unreadable("blob_missing" if missing else "interrupted") from None


def _process_plain(data: bytes, kind: Kind, kept: Kept) -> Processed:
    with kept.timed("decode_ms"):
        plain = read_plain(data, kept.options.limits)
        pixels = _pixels_of(plain)
    regions = 0
    if kept.options.mask_text:
        with kept.timed("mask_ms"):
            plain, regions = _masked(plain)
    picture = kept.picture(0, plain.gray, PLAIN, plain.notes, stored=plain.stored, hounsfield=False, masked=regions)
    with kept.timed("source_ms"):
        kept.write("source.png", make_png(plain.stored))
    rows, columns = plain.stored.shape
    return Processed(
        kind=kind,
        study_uid=None,
        series_uid=None,
        instance_uid=None,
        patient=None,
        pixels_sha256=pixels,
        source_name="source.png",
        facts={
            "Format": kind.upper(),
            "Rows": str(rows),
            "Columns": str(columns),
            "BitsStored": str(plain.stored.dtype.itemsize * 8),
            "Window": plain.window,
        }
        | kept.facts,
        pictures=(picture,),
        timings=kept.timings,
        deidentified={"kept": {}, "changed": {}, "removed": {}},
    )


def _pixels_of(plain: PlainPicture) -> str:
    """Hash what was sent, before anything is masked: the same file names the same picture, masked or not."""
    rows, columns = plain.stored.shape
    digest = hashlib.sha256(f"{rows}x{columns}:{plain.stored.dtype.str}".encode())
    digest.update(np.ascontiguousarray(plain.stored).data)
    return digest.hexdigest()


def _masked(plain: PlainPicture) -> tuple[PlainPicture, int]:
    """Fill what seems to be text; the picture itself, and 0, where nothing does."""
    boxes = grown(text_of(plain.gray, plain.stored), *plain.gray.shape)
    if not boxes:
        return plain, 0
    return with_stored(plain, filled(plain.stored, plain.gray, boxes)), len(boxes)
