"""Pictures drawn for tests: radiographs, CT slices, and files of every kind by property.

Nothing here is derived from a picture of a person. The same arguments give the same bytes.
"""

import io
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont, PngImagePlugin
from pydicom import Dataset, FileDataset
from pydicom.config import disable_value_validation
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    JPEGBaseline8Bit,
)

DX = UID("1.2.840.10008.5.1.4.1.1.1.1")
DX_RAW = UID("1.2.840.10008.5.1.4.1.1.1.1.1")
CR = UID("1.2.840.10008.5.1.4.1.1.1")
CT = UID("1.2.840.10008.5.1.4.1.1.2")
ENHANCED_CT = UID("1.2.840.10008.5.1.4.1.1.2.1")
SECONDARY_CAPTURE = UID("1.2.840.10008.5.1.4.1.1.7")
STORAGE = {"DX": DX, "CR": CR, "CT": CT, "OT": SECONDARY_CAPTURE}
AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
Gray8 = NDArray[np.uint8]


def _ellipse(rows: int, columns: int, box: tuple[float, float, float, float]) -> NDArray[np.float64]:
    """Distance from an ellipse (centre row, centre column, half height, half width; parts of 1), 1 on it."""
    y, x = np.mgrid[0:rows, 0:columns]
    down, right, high, wide = box
    return np.hypot((y / rows - down) / high, (x / columns - right) / wide)


def radiograph(rows: int = 256, columns: int = 240, seed: int = 0) -> Gray8:
    """Draw a frontal chest radiograph: a bright body, two dark lungs, ribs, heart, spine."""
    dice = np.random.default_rng(seed)
    shift = dice.uniform(-0.02, 0.02, 4)
    body = 0.15 + 0.6 * (_ellipse(rows, columns, (0.55, 0.5, 0.62, 0.48)) < 1)
    for side, offset in ((0.3, shift[0]), (0.7, shift[1])):
        lung = _ellipse(rows, columns, (0.47 + offset, side, 0.33, 0.16 + shift[2] / 2))
        body -= 0.45 * np.clip((1.1 - lung) * 4, 0, 1)
        ribs = np.sin((np.mgrid[0:rows, 0:columns][0] / rows - 0.1 * abs(side - 0.5)) * 60)
        body += 0.07 * (lung < 1) * (ribs > 0.5)
    body += 0.25 * np.clip((1.1 - _ellipse(rows, columns, (0.62, 0.55 + shift[3], 0.16, 0.14))) * 3, 0, 1)
    body += 0.12 * (np.abs(np.mgrid[0:rows, 0:columns][1] / columns - 0.5) < 0.03)
    body += dice.normal(0, 0.01, body.shape)
    return np.clip(body * 255, 0, 255).astype(np.uint8)


def with_text(
    picture: NDArray[Any],
    lines: Sequence[str] = ("QUILLFEATHER, ZEBEDEE", "ID 40815162", "1951-03-14"),
    *,
    size: int = 14,
    at: tuple[int, int] = (6, 6),
    value: float = 255,
) -> NDArray[Any]:
    """Burn lines of text into a picture of any dtype: `size` of the font in pixels, `at` a row and a column."""
    ink = Image.new("L", picture.shape[::-1])
    draw, font = ImageDraw.Draw(ink), ImageFont.load_default(size)
    for number, line in enumerate(lines):
        draw.text((at[1], at[0] + round(1.3 * size) * number), line, font=font, fill=255)
    part = np.asarray(ink) / 255
    return (picture * (1 - part) + value * part).round().astype(picture.dtype)


def axial_slice(side: int = 128, seed: int = 0) -> NDArray[np.int16]:
    """Draw an axial chest slice in Hounsfield units: air, a body, two lungs, spine, heart."""
    dice = np.random.default_rng(seed)
    tilt = dice.uniform(-0.02, 0.02)
    slice_ = np.full((side, side), -1000.0)
    slice_[_ellipse(side, side, (0.5, 0.5, 0.36, 0.46)) < 1] = 40
    for centre in (0.3, 0.7):
        slice_[_ellipse(side, side, (0.48 + tilt, centre, 0.24, 0.15)) < 1] = -820
    slice_[_ellipse(side, side, (0.42, 0.52, 0.14, 0.12)) < 1] = 60
    slice_[_ellipse(side, side, (0.74, 0.5, 0.07, 0.05)) < 1] = 400
    return (slice_ + dice.normal(0, 12, slice_.shape)).round().astype(np.int16)


def png_file(gray: NDArray[Any] | None = None, kind: str = "gray", *, text: str | None = None) -> bytes:
    """Draw a PNG: kind is gray, gray16, rgb, rgba, palette, gray_alpha, bilevel or transparent_palette."""
    gray = radiograph() if gray is None else gray
    picture = _as_kind(gray, kind)
    options: dict[str, Any] = {}
    if text is not None:
        options["pnginfo"] = info = PngImagePlugin.PngInfo()
        info.add_text("Patient", text)
        info.add_itxt("Comment", text, zip=True)
        exif = Image.Exif()
        exif[0x010E] = text
        options["exif"] = exif
    if kind == "transparent_palette":
        options["transparency"] = 0
    out = io.BytesIO()
    picture.save(out, "PNG", **options)
    return out.getvalue()


def _as_kind(gray: NDArray[Any], kind: str) -> Image.Image:
    if kind == "gray16":
        return Image.fromarray(gray.astype(np.uint16))
    picture = Image.fromarray(gray.astype(np.uint8))
    if kind == "rgba":
        picture = picture.convert("RGBA")
        clear = np.full(gray.shape, 255, np.uint8)
        clear[: gray.shape[0] // 4] = 0  # the top quarter cannot be seen
        picture.putalpha(Image.fromarray(clear))
        return picture
    modes = {"gray": "L", "rgb": "RGB", "palette": "P", "gray_alpha": "LA", "bilevel": "1"}
    modes |= {"transparent_palette": "P", "cmyk": "CMYK"}
    return picture.convert(modes[kind])


def jpeg_file(
    gray: NDArray[Any] | None = None, kind: str = "gray", *, orientation: int = 1, text: str | None = None
) -> bytes:
    """Draw a JPEG: kind is gray, rgb or cmyk; `text` goes into EXIF and a comment."""
    picture = _as_kind(radiograph() if gray is None else gray, kind)
    exif = Image.Exif()
    if orientation != 1:
        exif[0x0112] = orientation
    options: dict[str, Any] = {"quality": 95}
    if text is not None:
        exif[0x010E] = text
        options["comment"] = text
    out = io.BytesIO()
    picture.save(out, "JPEG", exif=exif, **options)
    return out.getvalue()


def dicom(
    stored: NDArray[Any] | None = None,
    *,
    modality: str = "DX",
    sop_class: str | None = None,
    syntax: str = ExplicitVRLittleEndian,
    photometric: str = "MONOCHROME2",
    bits: int | None = None,
    window: tuple[float, float] | None = (128, 256),
    function: str | None = None,
    rescale: tuple[float, float] | None = None,
    voi_lut: tuple[int, int, Sequence[int]] | None = None,
    modality_lut: tuple[int, int, Sequence[int]] | None = None,
    shape: str | None = None,
    padding: int | None = None,
    padding_limit: int | None = None,
    body_part: str | None = "CHEST",
    view: str | None = "PA",
    burned_in: str | None = "NO",
    orientation: Sequence[float] | None = None,
    position: Sequence[float] | None = None,
    change: Callable[[Dataset], None] | None = None,
    **tags: Any,
) -> FileDataset:
    """Draw a DICOM object. `stored` has the shape (rows, columns), (frames, rows, columns) or, as RGB,
    (rows, columns, 3); any further keyword is set as an attribute, and `change` sees the whole."""
    stored = radiograph(64, 60) if stored is None else stored
    colour = photometric not in {"MONOCHROME1", "MONOCHROME2"}
    made = FileDataset("", {}, preamble=bytes(128), file_meta=FileMetaDataset())
    made.file_meta.TransferSyntaxUID = UID(syntax)
    made.SOPClassUID = UID(sop_class or STORAGE.get(modality, SECONDARY_CAPTURE))
    made.SOPInstanceUID, made.SeriesInstanceUID, made.StudyInstanceUID = "1.2.3.4", "1.2.3", "1.2"
    made.PatientID, made.PatientName, made.StudyDate = "MRN-0042", "Phantom^Drawn", "20240229"
    made.PhotometricInterpretation = photometric
    made.SamplesPerPixel = 3 if colour else 1
    if colour:
        made.PlanarConfiguration = 0
    frames, rows, columns = _frames_rows_columns(stored, colour=colour)
    made.Rows, made.Columns = rows, columns
    if frames is not None:
        made.NumberOfFrames = frames
    made.BitsAllocated = stored.dtype.itemsize * 8
    made.BitsStored = bits or made.BitsAllocated
    made.HighBit = made.BitsStored - 1
    made.PixelRepresentation = int(stored.dtype.kind == "i")
    optional = {
        "Modality": modality,
        "WindowCenter": window and window[0],
        "WindowWidth": window and window[1],
        "VOILUTFunction": function,
        "RescaleSlope": rescale and rescale[0],
        "RescaleIntercept": rescale and rescale[1],
        "PresentationLUTShape": shape,
        "PixelPaddingValue": padding,
        "PixelPaddingRangeLimit": padding_limit,
        "BodyPartExamined": body_part,
        "ViewPosition": view,
        "BurnedInAnnotation": burned_in,
        "ImageOrientationPatient": orientation and list(orientation),
        "ImagePositionPatient": position and list(position),
        "VOILUTSequence": voi_lut and [_table(voi_lut)],
        "ModalityLUTSequence": modality_lut and [_table(modality_lut)],
    }
    with disable_value_validation():  # files in the wild hold what the standard forbids
        for keyword, value in (optional | tags).items():
            if value is not None:
                setattr(made, keyword, value)
    _put_pixels(made, stored, frames or 1)
    if change is not None:
        change(made)
    return made


def _frames_rows_columns(stored: NDArray[Any], *, colour: bool) -> tuple[int | None, int, int]:
    sizes = stored.shape[:-1] if colour else stored.shape
    return (None, *sizes) if len(sizes) == 2 else (sizes[0], sizes[1], sizes[2])


def _table(table: tuple[int, int, Sequence[int]]) -> Dataset:
    first, bits, entries = table
    item = Dataset()
    item.add_new("LUTDescriptor", "SS" if first < 0 else "US", [len(entries), first, bits])
    item.add_new("LUTData", "US", list(entries))
    return item


def _put_pixels(made: FileDataset, stored: NDArray[Any], frames: int) -> None:
    syntax = made.file_meta.TransferSyntaxUID
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    if syntax == JPEGBaseline8Bit:
        pieces = stored.reshape(frames, *stored.shape[-2:])
        made.PixelData = encapsulate([jpeg_file(piece) for piece in pieces])
        made["PixelData"].VR = "OB"
        return
    made.set_original_encoding(syntax.is_implicit_VR, syntax.is_little_endian)
    order = ">" if syntax == ExplicitVRBigEndian else "<"
    raw = stored.astype(stored.dtype.newbyteorder(order)).tobytes()
    made.PixelData = raw + b"\0" * (len(raw) % 2)
    made["PixelData"].VR = "OB" if made.BitsAllocated == 8 else "OW"
    if syntax.is_compressed and not syntax.is_deflated:
        made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        made.compress(syntax, generate_instance_uid=False)


def enhanced_ct(hounsfield: NDArray[Any], *, spacing: float = 5.0, **tags: Any) -> FileDataset:
    """Draw an enhanced CT: shape (frames, rows, columns), what belongs to a frame in functional groups."""
    made = dicom(hounsfield, modality="CT", sop_class=ENHANCED_CT, window=None, view=None, **tags)
    shared = Dataset()
    shared.PixelValueTransformationSequence = [Dataset()]
    transform = shared.PixelValueTransformationSequence[0]
    transform.RescaleSlope, transform.RescaleIntercept, transform.RescaleType = 1, 0, "HU"
    shared.PlaneOrientationSequence = [Dataset()]
    shared.PlaneOrientationSequence[0].ImageOrientationPatient = list(AXIAL)
    made.SharedFunctionalGroupsSequence = [shared]
    made.PerFrameFunctionalGroupsSequence = []
    for frame in range(len(hounsfield)):
        own = Dataset()
        own.PlanePositionSequence = [Dataset()]
        own.PlanePositionSequence[0].ImagePositionPatient = [0, 0, frame * spacing]
        made.PerFrameFunctionalGroupsSequence.append(own)
    return made


def dicom_file(stored: NDArray[Any] | None = None, **properties: Any) -> bytes:
    """Draw a DICOM object, as `dicom` does, and give the bytes of its file."""
    return file_of(dicom(stored, **properties))


def file_of(made: FileDataset) -> bytes:
    """Give the bytes of a DICOM file."""
    out = io.BytesIO()
    made.save_as(out, enforce_file_format=True)
    return out.getvalue()
