"""What documents tell of a study: its rows, and the headers of its kept sources."""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Final
from uuid import NAMESPACE_OID, uuid5

from pydicom import Dataset, dcmread
from pydicom.uid import SecondaryCaptureImageStorage

from ml.vocabulary import PIPELINES
from screening.flows.receipt import latest_results
from screening.results.models import PENDING, Screening, SeriesResult
from screening.review.models import Review
from screening.studies.models import Image, Study
from screening.uploads.kept import at_hand
from screening.uploads.storage import blob_folder

HEADER: Final = (
    *("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID"),
    *("StudyDate", "StudyTime", "ReferringPhysicianName", "StudyInstanceUID", "SeriesInstanceUID"),
    *("SOPClassUID", "SOPInstanceUID", "Modality", "Rows", "Columns", "NumberOfFrames"),
)
MODALITY: Final = {"xray": "DX", "ct": "CT"}


def uid_of(*parts: object) -> str:
    """Give a UID that is the same for the same parts, always."""
    return f"2.25.{uuid5(NAMESPACE_OID, '/'.join(map(str, parts))).int}"


@dataclass(frozen=True)
class Told:
    """A study, its pictures, what models and readers said, and a header for each picture."""

    study: Study
    images: tuple[Image, ...]
    screenings: tuple[Screening, ...]
    series: tuple[SeriesResult, ...]
    reviews: tuple[Review, ...]
    headers: tuple[Dataset, ...]  # of each picture; of a corrected one, that of the object it was made of

    @cached_property
    def number(self) -> dict[object, int]:
        """The number of each picture, as the study page counts them, from 1."""
        return {image.pk: number for number, image in enumerate(self.images, start=1)}

    def header(self, image: Image) -> Dataset:
        """The header of a picture, by which documents refer to it."""
        return self.headers[self.number[image.pk] - 1]

    @property
    def complete(self) -> bool:
        """Whether every model has answered."""
        return not any(row.state in PENDING for row in self.screenings)

    @property
    def at(self) -> datetime:
        """When the last thing happened that a document tells: the same for the same content."""
        times = [self.study.created_at]
        times += [row.done_at for row in self.screenings if row.done_at]
        times += [review.created_at for review in self.reviews]
        return max(times)

    @property
    def plain(self) -> bool:
        """Whether a picture was sent as something else than a DICOM object."""
        return any(as_sent(image).kind != "dicom" for image in self.images)

    @property
    def patient(self) -> str:
        """The pseudonym of the patient, or nothing where the files named none."""
        return self.study.patient.pseudonym if self.study.patient else ""


def as_sent(image: Image) -> Image:
    """The picture itself; of a corrected one that which was sent, the only one that another system may know."""
    return image.corrects or image


def read(study: Study) -> Told:
    """Read everything that documents of a study tell."""
    images = tuple(study.images.select_related("corrects"))
    screenings = latest_results(study.screenings.all(), images)
    reviews = study.reviews.filter(superseded_by__isnull=True).order_by("finding", "created_at", "pk")
    headers: dict[str, Dataset] = {}
    for image in map(as_sent, images):
        if image.sha256 not in headers:
            headers[image.sha256] = _header(study, image)
    return Told(
        study=study,
        images=images,
        screenings=tuple(row for image in images for row in screenings[image.pk]),
        series=_latest_series(study),
        reviews=tuple(reviews),
        headers=tuple(headers[as_sent(image).sha256] for image in images),
    )


def _latest_series(study: Study) -> tuple[SeriesResult, ...]:
    """For each series, one result a model: at the present pipeline, else the last one before it."""
    latest: dict[tuple[object, str], SeriesResult] = {}
    for result in study.series_results.select_related("model_version").order_by("model_version__slug", "pk"):
        key = (result.model_version_id, result.series_uid)
        if key not in latest or latest[key].pipeline not in PIPELINES:
            latest[key] = result
    return tuple(latest.values())


def _header(study: Study, image: Image) -> Dataset:
    """Give what refers to a picture: of the kept, de-identified object; made up for a picture that was no DICOM."""
    if image.kind == "dicom":
        source = at_hand(blob_folder(image.site_id, image.sha256) / image.source_name)
        kept: Dataset = dcmread(source, stop_before_pixels=True, specific_tags=list(HEADER))
    else:
        kept = Dataset()
        kept.SOPClassUID, kept.SOPInstanceUID = SecondaryCaptureImageStorage, uid_of("picture", image.pk)
        kept.SeriesInstanceUID, kept.StudyInstanceUID = uid_of("pictures", study.pk), uid_of("study", study.pk)
        kept.Modality, kept.Rows, kept.Columns = "OT", image.rows, image.columns
    for keyword in HEADER[:9]:
        if keyword not in kept:
            setattr(kept, keyword, "")
    # A name of one part is taken for a mistake without its caret; `stamp` writes the pseudonym as the source has it.
    kept.PatientName = f"{kept.PatientID}^" if kept.PatientID else ""
    if not kept.get("StudyInstanceUID"):
        kept.StudyInstanceUID = uid_of("study", study.pk)
    if not kept.get("SeriesInstanceUID"):
        kept.SeriesInstanceUID = uid_of("pictures", study.pk)
    return kept
