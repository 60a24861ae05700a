"""The structured report: rows that TID 1500 and its parts require, what validators say, and the numbers read back."""

import shutil
import subprocess
from collections import Counter
from io import BytesIO
from pathlib import Path
from uuid import uuid4

import pytest
from highdicom.sr import ComprehensiveSR
from pydicom import Dataset, dcmread

from ml.vocabulary import DISCLAIMER
from screening.flows.documents import Kind, wanted
from screening.results.models import Explanation, Screening, ScreeningState, SeriesResult
from screening.results.selectors import flag_word
from screening.uploads.storage import blob_folder
from tests import phantoms
from tests.documents.conftest import inverted, radiograph, slices, twenty
from workers.documents import capture, reading, report_sr
from workers.documents.codes import SCHEME

DICIODVFY = shutil.which("dciodvfy")
WORDS = {"FLAGGED": "flagged", "NOT_FLAGGED": "not flagged", "NOT_ASSESSED": "not assessed", "WAITING": "waiting"}


def report_of(study) -> tuple[reading.Told, Dataset]:
    told = reading.read(study)
    return told, dcmread(BytesIO(report_sr.report(told, key=wanted(study, Kind.REPORT).key)))


def named(item: Dataset) -> str:
    return str(item.ConceptNameCodeSequence[0].CodeValue)


def children(item: Dataset, name: str, kind: str = "") -> list[Dataset]:
    return [
        one
        for one in item.get("ContentSequence", [])
        if one.get("ConceptNameCodeSequence") and named(one) == name and kind in {"", one.ValueType}
    ]


def the(item: Dataset, name: str, kind: str) -> Dataset:
    [found] = children(item, name, kind)
    return found


def value(item: Dataset) -> str:
    code = item.ConceptCodeSequence[0]
    return str(code.get("CodeValue") or code.LongCodeValue)


def groups_of(sr: Dataset) -> list[Dataset]:
    return children(the(sr, "126010", "CONTAINER"), "125007", "CONTAINER")


def references_of(group: Dataset) -> list[Dataset]:
    return [one.ReferencedSOPSequence[0] for one in group.ContentSequence if one.ValueType == "IMAGE"]


def codes_in(item: Dataset) -> list[tuple[str, str]]:
    """Every code of a document, wherever it stands."""
    items = [one for element in item.iterall() if element.VR == "SQ" for one in element.value]
    coded = [one for one in items if "CodingSchemeDesignator" in one and "CodeMeaning" in one]
    return [(one.CodingSchemeDesignator, str(one.get("CodeValue") or one.get("LongCodeValue"))) for one in coded]


def validated(folder: Path, name: str, data: bytes) -> list[str]:
    """Lines of dciodvfy that say Error."""
    path = folder / name
    path.write_bytes(data)
    said = subprocess.run([DICIODVFY, str(path)], capture_output=True, text=True, check=False)
    return [line for line in (said.stdout + said.stderr).splitlines() if line.startswith("Error")]


@pytest.mark.skipif(DICIODVFY is None, reason="needs dciodvfy of dicom3tools to validate DICOM objects")
def test_validator_finds_no_error_in_reports_and_captures_of_twenty_studies(screened, tmp_path):
    studies = screened(twenty())
    assert len(studies) == 20
    errors, captures = Counter(), 0
    for number, study in enumerate(studies):
        told = reading.read(study)
        errors.update(validated(tmp_path, f"{number}.dcm", report_sr.report(told, key="k")))
        for row in Explanation.objects.filter(screening__study=study):
            captures += 1
            errors.update(validated(tmp_path, f"{number}-{captures}.dcm", capture.capture(told, row.pk, key="k")))

    assert captures > 3
    assert not errors


def test_every_row_that_the_templates_require_is_there(screened):
    for study in screened(twenty()):
        told, sr = report_of(study)
        # TID 1500: the root and its mandatory parts.
        assert (named(sr), sr.ContentTemplateSequence[0].TemplateIdentifier) == ("126000", "1500")
        assert children(sr, "121058", "CODE"), "procedure reported"
        assert the(sr, "121005", "CODE"), "TID 1002: observer type"
        assert value(the(sr, "121005", "CODE")) == "121007", "a device"
        assert the(sr, "121012", "UIDREF").UID.startswith("2.25."), "TID 1004: device observer UID"
        # TID 1600, 1601: every picture once.
        library = the(the(sr, "111028", "CONTAINER"), "126200", "CONTAINER")
        shown = [one.ReferencedSOPSequence[0].ReferencedSOPInstanceUID for one in library.ContentSequence]
        assert sorted(shown) == sorted({str(header.SOPInstanceUID) for header in told.headers})
        for entry in library.ContentSequence:
            assert the(entry, "121139", "CODE"), "TID 1602: modality"
            assert the(entry, "110910", "NUM").MeasuredValueSequence[0].NumericValue > 0, "TID 1602: rows"
        # TID 1501: one measurement group for each picture and model, and one for each series result.
        groups = groups_of(sr)
        assert len(groups) == len(told.screenings) + len(told.series)
        for group in groups:
            assert group.ContentTemplateSequence[0].TemplateIdentifier == "1501"
            assert the(group, "112039", "TEXT"), "tracking identifier"
            assert the(group, "112040", "UIDREF"), "tracking UID"
            # TID 4019: algorithm identification.
            assert the(group, "111001", "TEXT").TextValue, "algorithm name"
            assert the(group, "111003", "TEXT").TextValue, "algorithm version"
            assert value(the(group, "OUTCOME", "CODE")) in WORDS


def test_numbers_words_and_references_read_back_are_those_of_the_rows(screened):
    for study in screened(twenty()):
        told, sr = report_of(study)
        ComprehensiveSR.from_dataset(sr)  # highdicom reads it too
        by_uid = {the(group, "112040", "UIDREF").UID: group for group in groups_of(sr)}
        for row in told.screenings:
            group = by_uid[reading.uid_of("screening", row.pk)]
            numbers = {
                named(one): one.MeasuredValueSequence[0] for one in group.ContentSequence if one.ValueType == "NUM"
            }
            expected = {f"SCORE_{label.upper().replace('-', '_')}": score for label, score in row.scores.items()}
            if row.state == ScreeningState.SCORED:
                expected |= {f"POINT_{label.upper()}": point for label, point in row.thresholds.items()}
            assert {
                name: float(one.get("FloatingPointValue", one.NumericValue)) for name, one in numbers.items()
            } == expected
            assert {one.MeasurementUnitsCodeSequence[0].CodeValue for one in numbers.values()} <= {"1"}
            assert WORDS[value(the(group, "OUTCOME", "CODE"))] == flag_word(row)
            assert the(group, "111001", "TEXT").TextValue == row.model_version.slug
            [said] = references_of(group)
            assert said.ReferencedSOPInstanceUID == told.header(row.image).SOPInstanceUID
            if int(told.header(row.image).get("NumberOfFrames") or 1) > 1:
                assert said.ReferencedFrameNumber == row.image.frame + 1
        series = [group for group in by_uid.values() if "series of" in the(group, "112039", "TEXT").TextValue]
        assert len(series) == len(told.series)


def test_what_was_not_assessed_is_said_with_its_reason_and_without_a_number(screened):
    said = Counter()
    for study in screened(twenty()):
        told, sr = report_of(study)
        by_uid = {the(group, "112040", "UIDREF").UID: group for group in groups_of(sr)}
        for row in told.screenings:
            group = by_uid[reading.uid_of("screening", row.pk)]
            if row.state == ScreeningState.SCORED:
                assert not children(group, "REASON")
                continue
            assert value(the(group, "OUTCOME", "CODE")) == "NOT_ASSESSED"
            said[value(the(group, "REASON", "CODE"))] += 1
            assert not [one for one in group.ContentSequence if one.ValueType == "NUM"]

    assert {"OUT_OF_DISTRIBUTION", "NOT_FINITE", "WRONG_VIEW"} <= set(said)


def test_a_series_that_was_not_assessed_is_said_so_with_its_reason_and_without_a_number(screened):
    [study] = screened(slices(14, count=2))

    _told, sr = report_of(study)

    [group] = [one for one in groups_of(sr) if "series of" in the(one, "112039", "TEXT").TextValue]
    assert value(the(group, "OUTCOME", "CODE")) == "NOT_ASSESSED"
    assert value(the(group, "REASON", "CODE")) == "TOO_FEW_SLICES"
    assert not [one for one in group.ContentSequence if one.ValueType == "NUM"]


def test_report_is_preliminary_unverified_and_names_no_diagnosis(screened):
    for study in screened(twenty())[:8]:
        _told, sr = report_of(study)
        assert (sr.PreliminaryFlag, sr.VerificationFlag, sr.CompletionFlag) == ("PRELIMINARY", "UNVERIFIED", "COMPLETE")
        texts = " ".join(one.TextValue for one in children(sr, "121106", "TEXT"))
        assert DISCLAIMER in texts
        assert "de-identified" in texts
        foreign = {code for code in codes_in(sr) if code[0] not in {SCHEME, "DCM", "UCUM", "RFC5646"}}
        procedures_and_source = {"399208008", "169069000", "363679005", "260753009"}
        assert foreign <= {("SCT", code) for code in procedures_and_source}
        for word in ("negative", "positive", "probability of"):
            assert word not in str(sr).lower().replace("not assessed is not negative", "")


def test_report_refers_to_pseudonyms_and_holds_nothing_of_the_original_header(screened):
    [study] = screened({"a.dcm": radiograph(5, PatientName="Quillfeather^Zebedee", InstitutionName="Quill ward")})
    data = report_sr.report(reading.read(study), key="k")

    for original in (b"Quill", b"MRN-2", b"1.2.840.9999"):
        assert original not in data
    assert dcmread(BytesIO(data)).PatientID == study.patient.pseudonym


def test_what_an_earlier_pipeline_answered_is_not_told_once_the_present_one_has(screened):
    [study] = screened(slices(14))
    told, _sr = report_of(study)
    for row in (*Screening.objects.all(), *SeriesResult.objects.all()):
        row.pk, row.pipeline = uuid4() if isinstance(row, Screening) else None, "pipeline-0"
        row.save(force_insert=True)

    again, sr = report_of(study)

    assert Screening.objects.count() + SeriesResult.objects.count() == 2 * (len(told.screenings) + len(told.series))
    assert (again.screenings, again.series) == (told.screenings, told.series)
    assert len(groups_of(sr)) == len(told.screenings) + 1


def test_what_is_told_of_a_corrected_picture_refers_to_the_object_and_the_patient_that_were_sent(screened):
    [study] = screened({"a.dcm": inverted(7)})
    made = study.images.get(corrects__isnull=False)
    sent = dcmread(blob_folder(made.site_id, made.corrects.sha256) / made.corrects.source_name)
    told, sr = report_of(study)
    [row] = Explanation.objects.filter(screening__image=made)
    heat_map = dcmread(BytesIO(capture.capture(told, row.pk, key="k")))

    for document in (sr, heat_map):
        assert document.StudyInstanceUID == sent.StudyInstanceUID
        assert document.PatientID == study.patient.pseudonym
    assert heat_map.SourceImageSequence[0].ReferencedSOPInstanceUID == sent.SOPInstanceUID
    named_objects = {one.ReferencedSOPInstanceUID for group in groups_of(sr) for one in references_of(group)}
    assert named_objects == {sent.SOPInstanceUID}
    assert len(groups_of(sr)) == 2, "of the picture as it was sent, and of the corrected one"
    assert "PNG" not in " ".join(one.TextValue for one in children(sr, "121106", "TEXT"))


def test_patient_of_a_folder_of_pictures_and_objects_is_that_of_the_objects(screened):
    plain = {f"one/{n}.png": phantoms.png_file(phantoms.radiograph(300, 280, seed=n)) for n in range(4)}
    [study] = screened({**plain, "one/a.dcm": radiograph(1, StudyInstanceUID="")}, group_by="folder")

    told, sr = report_of(study)

    [kept] = [told.header(image) for image in told.images if image.kind == "dicom"]
    assert len(told.images) == 5
    assert sr.PatientID == kept.PatientID != ""


def test_the_same_content_gives_the_same_bytes(screened):
    [study] = screened({"a.dcm": radiograph(1)})

    one, two = (dcmread(BytesIO(report_sr.report(reading.read(study), key="k"))) for _ in range(2))
    assert [left for left, right in zip(one.iterall(), two.iterall(), strict=True) if left != right] == []
    assert len({report_sr.report(reading.read(study), key="k") for _ in range(2)}) == 1
    [row] = Explanation.objects.all()
    assert len({capture.capture(reading.read(study), row.pk, key="k") for _ in range(2)}) == 1


def test_capture_is_derived_in_a_series_of_its_own_and_says_not_for_diagnosis_in_header_and_pixels(screened):
    [study] = screened({"a.dcm": radiograph(1)})
    [row] = Explanation.objects.all()
    told = reading.read(study)

    made = dcmread(BytesIO(capture.capture(told, row.pk, key="k")))

    assert list(made.ImageType) == ["DERIVED", "SECONDARY"]
    assert made.BurnedInAnnotation == "YES"
    assert made.SeriesInstanceUID != told.headers[0].SeriesInstanceUID
    assert made.StudyInstanceUID == told.headers[0].StudyInstanceUID
    assert "not for diagnosis" in made.SeriesDescription.lower()
    assert DISCLAIMER in made.ImageComments
    assert made.SourceImageSequence[0].ReferencedSOPInstanceUID == told.headers[0].SOPInstanceUID
    pixels = made.pixel_array
    bar = (made.Rows - round(200 * made.Columns / 190)) // 2
    for part in (pixels[:bar], pixels[-bar:]):
        assert 0.02 < (part > 200).mean() < 0.5, "white letters on black, above and below the picture"
