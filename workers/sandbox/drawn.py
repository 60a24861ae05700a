"""Phantoms of a sandbox: radiographs drawn of ellipses, as DICOM files. No picture of a person is in them."""

import io
from typing import Any, Final, NamedTuple
from uuid import NAMESPACE_URL, uuid5

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter
from pydicom import FileDataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian

ROWS: Final = 512
COLUMNS: Final = 480
LUNGS: Final = ((90, 90, 215, 400), (265, 90, 390, 400))  # left, top, right, bottom


class Original(NamedTuple):
    """The identifiers that a phantom is sent with: drawn, so no patient's."""

    study: str
    series: str
    instance: str


def original_of(site: str, name: str) -> Original:
    """Give the original identifiers of a phantom."""
    parts = (f"2.25.{uuid5(NAMESPACE_URL, f'{site}/{name}/{part}').int}" for part in Original._fields)
    return Original(*parts)


def phantom_file(site: str, name: str) -> bytes:
    """Give a DICOM radiograph that is the same for the same site and name, and another for others."""
    made = FileDataset("", {}, preamble=bytes(128), file_meta=FileMetaDataset())
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID = DigitalXRayImageStorageForPresentation
    made.StudyInstanceUID, made.SeriesInstanceUID, made.SOPInstanceUID = original_of(site, name)
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    made.PatientID, made.PatientName = f"SANDBOX-{name}", f"Sandbox^{name}"
    made.Modality, made.BodyPartExamined, made.ViewPosition, made.BurnedInAnnotation = "DX", "CHEST", "PA", "NO"
    made.PhotometricInterpretation, made.SamplesPerPixel, made.PixelRepresentation = "MONOCHROME2", 1, 0
    made.Rows, made.Columns = ROWS, COLUMNS
    made.BitsAllocated = made.BitsStored = 8
    made.HighBit = 7
    made.WindowCenter, made.WindowWidth = 128, 256
    made.PixelData = _phantom(site, name).tobytes()
    made["PixelData"].VR = "OB"
    out = io.BytesIO()
    made.save_as(out, enforce_file_format=True)
    return out.getvalue()


def _phantom(site: str, name: str) -> NDArray[np.uint8]:
    picture = Image.new("L", (COLUMNS, ROWS), 25)
    draw = ImageDraw.Draw(picture)
    draw.ellipse((15, 10, COLUMNS - 15, ROWS + 120), fill=180)
    for lung in LUNGS:
        draw.ellipse(lung, fill=60)
        for rib in range(110, 390, 40):
            draw.arc((lung[0], rib, lung[2], rib + 60), 190, 350, fill=95, width=6)
    draw.rectangle((COLUMNS // 2 - 14, 40, COLUMNS // 2 + 14, ROWS), fill=215)
    draw.ellipse((190, 230, 330, 400), fill=200)
    gray = np.asarray(picture.filter(ImageFilter.GaussianBlur(2)), np.float32)
    dice = np.random.default_rng(uuid5(NAMESPACE_URL, f"{site}/{name}").int)
    noisy: NDArray[Any] = gray + dice.normal(0, 3, gray.shape)
    drawn: NDArray[np.uint8] = np.clip(noisy, 0, 255).astype(np.uint8)
    return drawn


def map_files(preview: bytes) -> tuple[bytes, bytes]:
    """Give a made-up heat map, and the same laid over a preview: a spot in one lung."""
    spot = Image.new("L", (512, 512))
    ImageDraw.Draw(spot).ellipse((110, 200, 200, 310), fill=255)
    spot = spot.filter(ImageFilter.GaussianBlur(20))
    picture = Image.open(io.BytesIO(preview)).convert("RGB")
    heat = spot.resize(picture.size)
    over = Image.composite(
        Image.new("RGB", picture.size, (255, 80, 0)), picture, heat.point([v // 2 for v in range(256)])
    )
    raw, laid = io.BytesIO(), io.BytesIO()
    spot.save(raw, "PNG")
    over.save(laid, "JPEG", quality=90)
    return raw.getvalue(), laid.getvalue()
