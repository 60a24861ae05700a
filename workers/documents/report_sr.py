"""The report of a study as a DICOM structured report: TID 1500, a measurement group for each picture and model.

Preliminary, unverified, without a diagnosis code. UIDs are those of the de-identified objects.
"""

from collections.abc import Iterable, Iterator
from io import BytesIO
from typing import Final

from highdicom.sr import (
    AlgorithmIdentification,
    CodeContentItem,
    ComprehensiveSR,
    ContainerContentItem,
    ContentItem,
    ContentSequence,
    DeviceObserverIdentifyingAttributes,
    ImageContentItem,
    Measurement,
    MeasurementReport,
    MeasurementsAndQualitativeEvaluations,
    NumContentItem,
    ObservationContext,
    ObserverContext,
    QualitativeEvaluation,
    RelationshipTypeValues,
    SourceImageForMeasurementGroup,
    TextContentItem,
    TrackingIdentifier,
)
from pydicom import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import ExplicitVRLittleEndian

from ml.vocabulary import DISCLAIMER
from screening.results.models import ModelVersion, Screening, ScreeningState, SeriesResult
from screening.results.opinions import SERIES_CAVEAT, of_series
from screening.results.selectors import NOT_ASSESSED, flag_word, why
from screening.studies.models import Image
from workers.documents.codes import (
    CHEST,
    COMMENT,
    IMAGING,
    NO_UNITS,
    OUTCOME,
    OUTCOMES,
    REASON,
    reason_code,
    scheme_item,
    score_code,
    series_reason_code,
    threshold_code,
)
from workers.documents.reading import Told, as_sent, uid_of

MAKER: Final = "Chest screening, for education only"
DEVICE: Final = "chest-screening"
SERIES_NUMBER: Final = 9001
PSEUDONYMS: Final = (
    "Preliminary and unverified. It refers to de-identified objects: UIDs and patient are pseudonyms of the screening "
    "service, which no archive of the hospital knows. Scores are not probabilities, and not assessed is not negative."
)
MADE_UP: Final = (
    "A picture that came as PNG or JPEG is no DICOM object: its reference is a UID made up for this report."
)
LIBRARY: Final = Code("111028", "DCM", "Image Library")
LIBRARY_GROUP: Final = Code("126200", "DCM", "Image Library Group")
CONTEXT: Final = RelationshipTypeValues.HAS_ACQ_CONTEXT
CONTAINS: Final = RelationshipTypeValues.CONTAINS


def report(told: Told, *, key: str) -> bytes:
    """Make the report of a study: the same bytes for the same content."""
    content = MeasurementReport(
        observation_context=_observer(),
        procedure_reported=CHEST.get(told.study.modality, IMAGING),
        imaging_measurements=list(_groups(told)),
    )
    _complete(content[0], told)
    made = ComprehensiveSR(
        evidence=_evidence(told),
        content=content,
        series_instance_uid=uid_of("report series", told.study.pk),
        series_number=SERIES_NUMBER,
        sop_instance_uid=uid_of("report", key),
        instance_number=1,
        manufacturer=MAKER,
        is_complete=told.complete,
        is_final=False,
        is_verified=False,
        transfer_syntax_uid=ExplicitVRLittleEndian,
        series_description="AI screening, education only",
        specific_character_set="ISO_IR 192",
    )
    made.CodingSchemeIdentificationSequence = [scheme_item()]
    made.ManufacturerModelName = DEVICE
    made.PatientIdentityRemoved = "YES"
    made.DeidentificationMethod = "Refers to de-identified objects"
    stamp(made, told)
    return file_of(made)


def stamp(made: Dataset, told: Told) -> None:
    """Give a document the time of its content, not that of its making, so that making it twice makes it the same."""
    for maker in made.get("ContributingEquipmentSequence", []):
        maker.ContributionDateTime = told.at.strftime("%Y%m%d%H%M%S")
    made.PatientName = str(made.PatientID)
    day, moment = told.at.strftime("%Y%m%d"), told.at.strftime("%H%M%S")
    for keyword in ("ContentDate", "SeriesDate", "InstanceCreationDate", "DateOfSecondaryCapture"):
        if keyword in made or keyword == "ContentDate":
            setattr(made, keyword, day)
    for keyword in ("ContentTime", "SeriesTime", "InstanceCreationTime", "TimeOfSecondaryCapture"):
        if keyword in made or keyword == "ContentTime":
            setattr(made, keyword, moment)


def file_of(made: Dataset) -> bytes:
    """Give the bytes of a DICOM file."""
    out = BytesIO()
    made.save_as(out, enforce_file_format=True)
    return out.getvalue()


def _observer() -> ObservationContext:
    """TID 1002: the observer is a device; no person has looked."""
    device = DeviceObserverIdentifyingAttributes(
        uid=uid_of("device", DEVICE), name=DEVICE, manufacturer_name=MAKER, model_name=DEVICE
    )
    return ObservationContext(
        observer_device_context=ObserverContext(observer_type=codes.DCM.Device, observer_identifying_attributes=device)
    )


def _evidence(told: Told) -> list[Dataset]:
    """Every object once, those of DICOM first: patient and study of the report are those of the first."""
    told_of = sorted(zip(told.images, told.headers, strict=True), key=lambda one: as_sent(one[0]).kind != "dicom")
    return list({str(header.SOPInstanceUID): header for _, header in told_of}.values())


def _complete(root: Dataset, told: Told) -> None:
    """Add what the template allows and the library does not: the image library without guesses, and the disclaimer."""
    items = root.ContentSequence
    place = next(at for at, item in enumerate(items) if item.name.value == "126010")  # imaging measurements
    items.insert(place, _library(told))
    for text in (DISCLAIMER, PSEUDONYMS, *([MADE_UP] if told.plain else [])):
        items.append(TextContentItem(name=COMMENT, value=text, relationship_type=CONTAINS))


def _library(told: Told) -> ContainerContentItem:
    """TID 1600: every picture once, with what its header says for certain."""
    library = ContainerContentItem(name=LIBRARY, relationship_type=CONTAINS)
    group = ContainerContentItem(name=LIBRARY_GROUP, relationship_type=CONTAINS)
    group.ContentSequence = ContentSequence(list(_entries(told)))
    library.ContentSequence = ContentSequence([group])
    return library


def _entries(told: Told) -> Iterator[ContentItem]:
    for header in _evidence(told):
        entry = ImageContentItem(
            name=Code("260753009", "SCT", "Source"),
            referenced_sop_class_uid=header.SOPClassUID,
            referenced_sop_instance_uid=header.SOPInstanceUID,
            relationship_type=CONTAINS,
        )
        modality = str(header.get("Modality") or "OT")
        entry.ContentSequence = ContentSequence(
            [
                CodeContentItem(
                    name=codes.DCM.Modality, value=Code(modality, "DCM", modality), relationship_type=CONTEXT
                ),
                *(
                    NumContentItem(
                        name=name,
                        value=int(value),
                        unit=Code("{pixels}", "UCUM", "Pixels"),
                        relationship_type=CONTEXT,
                    )
                    for name, value in (
                        (codes.DCM.PixelDataRows, header.Rows),
                        (codes.DCM.PixelDataColumns, header.Columns),
                    )
                ),
            ]
        )
        yield entry


def _groups(told: Told) -> Iterator[MeasurementsAndQualitativeEvaluations]:
    for row in told.screenings:
        yield _group(told, row)
    for result in told.series:
        yield _series_group(told, result)


def _group(told: Told, row: Screening) -> MeasurementsAndQualitativeEvaluations:
    """TID 1501: one model on one picture."""
    evaluations = [QualitativeEvaluation(name=OUTCOME, value=OUTCOMES[flag_word(row)])]
    if flag_word(row) == NOT_ASSESSED:
        evaluations.append(QualitativeEvaluation(name=REASON, value=reason_code(row)))
    group = MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(
            uid=uid_of("screening", row.pk), identifier=f"{row.model_version.name}, picture {told.number[row.image_id]}"
        ),
        algorithm_id=_algorithm(
            row.model_version, (("pipeline", row.pipeline), ("runtime", row.runtime), ("precision", row.precision))
        ),
        measurements=list(_measurements(row.scores, row.thresholds, scored=row.state == ScreeningState.SCORED)),
        qualitative_evaluations=evaluations,
        source_images=[_source(told, row.image)],
    )
    return _commented(group, why(row))


def _series_group(told: Told, result: SeriesResult) -> MeasurementsAndQualitativeEvaluations:
    """TID 1501: one model on a series of slices, which is what flags a study of CT."""
    opinion = of_series(result)
    evaluations = [QualitativeEvaluation(name=OUTCOME, value=OUTCOMES[opinion.word])]
    if opinion.word == NOT_ASSESSED:
        evaluations.append(QualitativeEvaluation(name=REASON, value=series_reason_code(result)))
    group = MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(
            uid=uid_of("series", told.study.pk, result.model_version_id, result.pipeline, result.series_uid),
            identifier=f"{result.model_version.name}, series of {result.slices} slices",
        ),
        algorithm_id=_algorithm(result.model_version, (("pipeline", result.pipeline),)),
        measurements=list(_measurements(result.scores, result.thresholds, scored=result.outcome == "scored")),
        qualitative_evaluations=evaluations,
    )
    return _commented(group, f"{opinion.sentence} {SERIES_CAVEAT}")


def _commented(group: MeasurementsAndQualitativeEvaluations, text: str) -> MeasurementsAndQualitativeEvaluations:
    group[0].ContentSequence.append(TextContentItem(name=COMMENT, value=text, relationship_type=CONTAINS))
    return group


def _algorithm(version: ModelVersion, more: Iterable[tuple[str, str]]) -> AlgorithmIdentification:
    """TID 4019: which model, and what it ran on."""
    parameters = [("model_sha256", version.sha256), *more]
    return AlgorithmIdentification(
        name=version.slug,
        version=version.version,
        parameters=[f"{name}={value}" for name, value in parameters if value],
    )


def _measurements(scores: dict[str, float], thresholds: dict[str, float], *, scored: bool) -> Iterator[Measurement]:
    if not scored:
        return
    for label, score in scores.items():
        yield Measurement(name=score_code(label), value=float(score), unit=NO_UNITS)
    for label, point in thresholds.items():
        yield Measurement(name=threshold_code(label), value=float(point), unit=NO_UNITS)


def _source(told: Told, image: Image) -> SourceImageForMeasurementGroup:
    header = told.header(image)
    many = int(header.get("NumberOfFrames") or 1) > 1
    return SourceImageForMeasurementGroup(
        referenced_sop_class_uid=header.SOPClassUID,
        referenced_sop_instance_uid=header.SOPInstanceUID,
        referenced_frame_numbers=[as_sent(image).frame + 1] if many else None,
    )
