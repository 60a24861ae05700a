"""A DICOM file becomes a de-identified object, previews and planes."""

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final

from numpy.typing import NDArray
from pydicom import Dataset, FileDataset
from pydicom.uid import UID

from ml.images.boundary import decoding
from ml.images.deidentify import Deidentified, deidentify, patient_of
from ml.images.dicom import decoded_frames, load, tidy_pixels
from ml.images.dicom_gray import Shown, is_hounsfield, shown
from ml.images.dicom_routing import route_of
from ml.images.header import frame_header, uid, words
from ml.images.kept import Kept
from ml.images.layout import Layout, layout_of
from ml.images.mask_dicom import Masked, feed, hasher, mask_text
from ml.images.plane import Whole
from ml.images.pseudonyms import Pseudonyms
from ml.images.records import Picture, Processed, Unreadable
from ml.images.reduced import codestreams, levels_to_spare, reduced_frames
from ml.vocabulary import PIPELINE, REDUCED_PIPELINE

# Shown to reviewers: how the picture was made, never who or where.
FACTS: Final = (
    "Modality",
    "ImageType",
    "BodyPartExamined",
    "ViewPosition",
    "PhotometricInterpretation",
    "BitsStored",
    "Rows",
    "Columns",
    "NumberOfFrames",
    "KVP",
    "SliceThickness",
    "PixelSpacing",
    "ImagerPixelSpacing",
    "PresentationIntentType",
    "PresentationLUTShape",
    "BurnedInAnnotation",
    "LossyImageCompression",
)


@dataclass(frozen=True, slots=True)
class _Shown:
    """What is shown of all frames of an object, and the hash of what was sent."""

    pictures: tuple[Picture, ...]
    pixels_sha256: str
    window: str  # of the first
    pipeline: str


def process_dicom(data: bytes, kept: Kept) -> Processed:
    """Read a DICOM file; see `ml.images.read.process_file`.

    Gray values are read from the de-identified object, not from the original: so the plane that is
    rebuilt from what was kept is the same by construction. The routing reads the original header.
    """
    pseudonyms = Pseudonyms(kept.options.key)
    limits = kept.options.limits
    with kept.timed("decode_ms"):
        original = load(data, limits)
        with decoding():
            layout = layout_of(original, original.file_meta.TransferSyntaxUID, limits)
        tidy_pixels(original, layout)
    with kept.timed("deidentify_ms"), decoding():
        instance = pseudonyms.uid(uid(original, "SOPInstanceUID") or hashlib.sha256(data).hexdigest())
        done = deidentify(original, pseudonyms, instance=instance)
    masked = None
    if kept.options.mask_text:
        with kept.timed("mask_ms"):
            masked = mask_text(done.dataset, layout, limits)
    seen = _frames(original, done.dataset, layout, kept, masked)
    with kept.timed("source_ms"):
        kept.write("source.dcm", _file_of(done))
    with decoding():
        study, series = uid(original, "StudyInstanceUID"), uid(original, "SeriesInstanceUID")
        patient, facts = patient_of(original, pseudonyms), _facts(done.dataset)
    return Processed(
        kind="dicom",
        study_uid=pseudonyms.uid(study) if study else None,
        series_uid=pseudonyms.uid(series) if series else None,
        instance_uid=instance,
        patient=patient,
        pixels_sha256=seen.pixels_sha256,
        source_name="source.dcm",
        facts=facts | {"Window": seen.window} | kept.facts,
        pictures=seen.pictures,
        timings=kept.timings,
        deidentified=done.counts(),
        methods=done.methods(),
        pipeline=seen.pipeline,
    )


def shown_frame(pixels: NDArray[Any], dataset: Dataset, layout: Layout, frame: int) -> Shown:
    """Give one decoded frame as gray values, by the header that holds for it."""
    with decoding():
        return shown(pixels, frame_header(dataset, frame, layout.frames), layout)


def _frames(original: FileDataset, clean: FileDataset, sent: Layout, kept: Kept, masked: Masked | None) -> _Shown:
    """Write what is shown of all frames: reduced where that is wanted and can be, else whole."""
    levels = levels_to_spare(clean, sent) if kept.options.reduced and not kept.options.mask_text else 0
    if levels:
        with suppress(Unreadable):  # what can be read in whole is; what cannot is refused then
            return _shown_reduced(original, clean, sent, kept, levels)
    layout = masked.layout if masked else sent
    digest = hasher(layout)
    pictures: list[Picture] = []
    window = ""
    frames = decoded_frames(clean, layout)
    for frame in range(layout.frames):
        with kept.timed("decode_ms"):
            pixels = next(frames)
            feed(digest, pixels)
        picture, said = _picture(original, clean, layout, kept, frame, pixels, masked=masked.regions if masked else 0)
        window = window or said
        pictures.append(picture)
    return _Shown(tuple(pictures), masked.pixels_sha256 if masked else digest.hexdigest(), window, PIPELINE)


def _shown_reduced(original: FileDataset, clean: FileDataset, layout: Layout, kept: Kept, levels: int) -> _Shown:
    """Do the same without the finest levels. All pixels are not there to be hashed: the compressed frames are."""
    digest = hasher(layout)
    digest.update(REDUCED_PIPELINE.encode())
    for compressed in codestreams(clean, layout):
        digest.update(compressed)
    pictures: list[Picture] = []
    window = ""
    frames, whole = reduced_frames(clean, layout, levels), Whole(layout.rows, layout.columns, levels)
    for frame in range(layout.frames):
        with kept.timed("decode_ms"):
            pixels = next(frames)
        picture, said = _picture(original, clean, layout, kept, frame, pixels, whole=whole)
        window = window or said
        pictures.append(picture)
    kept.facts["Decoded"] = f"1/{2**levels} of each side"
    return _Shown(tuple(pictures), digest.hexdigest(), window, REDUCED_PIPELINE)


def _picture(
    original: FileDataset, clean: FileDataset, layout: Layout, kept: Kept, frame: int, pixels: NDArray[Any], **more: Any
) -> tuple[Picture, str]:
    """Write what is shown of one decoded frame. The picture, and its window."""
    with kept.timed("gray_ms"), decoding():
        own = frame_header(original, frame, layout.frames)
        told = route_of(own, hold_burned_in=kept.options.hold_burned_in)
        look = shown_frame(pixels, clean, layout, frame)
        hounsfield = is_hounsfield(frame_header(clean, frame, layout.frames))
    picture = kept.picture(frame, look.gray, told, look.notes, stored=pixels, hounsfield=hounsfield, **more)
    return picture, look.window


def _file_of(done: Deidentified) -> bytes:
    out = BytesIO()
    with decoding():
        done.dataset.save_as(out, enforce_file_format=True)
    return out.getvalue()


def _facts(clean: FileDataset) -> dict[str, str]:
    named = {"TransferSyntax": clean.file_meta.TransferSyntaxUID, "SOPClass": clean.get("SOPClassUID")}
    facts = {name: UID(value).name for name, value in named.items() if value}
    return facts | {keyword: " ".join(found) for keyword in FACTS if (found := words(clean, keyword))}
