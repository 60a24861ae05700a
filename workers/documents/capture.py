"""A heat map as a DICOM secondary capture: derived, in a series of its own, with what it is not burned into it."""

from io import BytesIO
from typing import Any, Final
from uuid import UUID

import numpy as np
from highdicom.sc import SCImage
from numpy.typing import NDArray
from PIL import Image as Pictures
from PIL import ImageDraw, ImageFont
from pydicom import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from ml.vocabulary import DISCLAIMER
from screening.flows.explained import files_of
from screening.results.heat import CAVEAT
from screening.results.models import Explanation
from screening.uploads.kept import at_hand
from workers.documents.reading import Told, uid_of
from workers.documents.report_sr import DEVICE, MAKER, SERIES_NUMBER, file_of, stamp

NOT_FOR_DIAGNOSIS: Final = "NOT FOR DIAGNOSIS"
WIDEST: Final = 20  # bars are a twentieth of the width, but hold letters that can be read
NARROWEST: Final = 512  # pixels; a smaller picture is enlarged, or the words would not fit


def capture(told: Told, explanation_id: UUID, *, key: str) -> bytes:
    """Make the secondary capture of a drawn map: the same bytes for the same content.

    Raises:
        OSError: the map's picture is gone.
    """
    found = Explanation.objects.select_related("screening__image", "screening__model_version").get(pk=explanation_id)
    image, version = found.screening.image, found.screening.model_version
    data = at_hand(files_of(found)[1]).read_bytes()
    words = f"AI heat map: {version.name}, {found.label} {found.screening.scores[found.label]:.3f}"
    pixels = _with_words(Pictures.open(BytesIO(data)).convert("RGB"), words)
    source = told.header(image)
    made = SCImage(
        pixel_array=pixels,
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system="PATIENT",
        patient_orientation=("L", "F"),
        study_instance_uid=source.StudyInstanceUID,
        series_instance_uid=uid_of("heat map series", told.study.pk),
        series_number=SERIES_NUMBER + 1,
        sop_instance_uid=uid_of("heat map", key),
        instance_number=1,
        manufacturer=MAKER,
        patient_id=str(source.PatientID),
        patient_name=f"{source.PatientID}^" if source.PatientID else None,
        patient_birth_date=str(source.PatientBirthDate),
        patient_sex=str(source.PatientSex) or None,
        accession_number=str(source.AccessionNumber),
        study_id=str(source.StudyID),
        study_date=str(source.StudyDate),
        study_time=str(source.StudyTime),
        referring_physician_name=str(source.ReferringPhysicianName),
        transfer_syntax_uid=ExplicitVRLittleEndian,
        specific_character_set="ISO_IR 192",
    )
    _describe(made, source, words, ratio=pixels.nbytes / len(data))
    stamp(made, told)
    return file_of(made)


def _describe(made: Dataset, source: Dataset, words: str, *, ratio: float) -> None:
    made.ImageType = ["DERIVED", "SECONDARY"]
    made.BurnedInAnnotation = "YES"
    made.PatientOrientation = made.Laterality = ""  # the picture lies as it came; nobody told how
    made.ManufacturerModelName = DEVICE
    made.SeriesDescription = "AI heat map, not for diagnosis"
    made.ImageComments = f"Not for diagnosis. {DISCLAIMER} {CAVEAT}"
    made.DerivationDescription = f"{words}. A gradient map laid over the picture as people see it."
    made.PatientIdentityRemoved = "YES"
    made.DeidentificationMethod = "Made of a de-identified object"
    made.LossyImageCompression = "01"  # the picture under the map is a JPEG
    made.LossyImageCompressionMethod = "ISO_10918_1"
    made.LossyImageCompressionRatio = f"{ratio:.2f}"
    reference = Dataset()
    reference.ReferencedSOPClassUID = source.SOPClassUID
    reference.ReferencedSOPInstanceUID = source.SOPInstanceUID
    made.SourceImageSequence = [reference]


def _with_words(picture: Pictures.Image, words: str) -> NDArray[np.uint8]:
    """Put a bar above and one below the picture, so that no part of it is covered, with words burned into them."""
    if picture.width < NARROWEST:
        height = round(picture.height * NARROWEST / picture.width)
        picture = picture.resize((NARROWEST, height), Pictures.Resampling.BILINEAR)
    bar = max(20, picture.width // WIDEST)
    whole = Pictures.new("RGB", (picture.width, picture.height + 2 * bar))
    whole.paste(picture, (0, bar))
    draw = ImageDraw.Draw(whole)
    _write(draw, f"{NOT_FOR_DIAGNOSIS}. {DISCLAIMER}", bar=bar, top=0, width=picture.width)
    _write(draw, f"{words}. {NOT_FOR_DIAGNOSIS}", bar=bar, top=bar + picture.height, width=picture.width)
    return np.asarray(whole, np.uint8)


def _write(draw: Any, text: str, *, bar: int, top: int, width: int) -> None:
    """Write a line as large as fits into its bar."""
    size = bar * 0.7
    length = draw.textlength(text, font=ImageFont.load_default(size))
    size = min(size, size * (width - 8) / length)
    draw.text((4, top + (bar - size) / 2 - 1), text, font=ImageFont.load_default(size), fill=(255, 255, 255))
