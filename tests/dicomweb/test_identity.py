import io
from pathlib import Path

import pytest
from pydicom import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
)

from screening.dicomweb.identity import Identity, identify
from tests.phantoms import DX, dicom, dicom_file, file_of, radiograph

WHOLE = Identity(sop_class=str(DX), instance="1.2.3.4", study="1.2", series="1.2.3")


def identified(content: bytes, tmp_path: Path) -> Identity | None:
    path = tmp_path / "object"
    path.write_bytes(content)
    return identify(path)


@pytest.mark.parametrize(
    "syntax",
    [
        ImplicitVRLittleEndian,
        ExplicitVRLittleEndian,
        ExplicitVRBigEndian,
        DeflatedExplicitVRLittleEndian,
        JPEGBaseline8Bit,
    ],
)
def test_an_object_of_any_encoding_is_identified(syntax, tmp_path):
    assert identified(dicom_file(radiograph(64, 60), syntax=syntax), tmp_path) == WHOLE


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian])
@pytest.mark.parametrize("undefined", [True, False], ids=["undefined length", "defined length"])
def test_identifiers_within_sequences_are_those_of_others(syntax, undefined, tmp_path):
    made = dicom(radiograph(64, 60), syntax=syntax)
    inner = Dataset()
    inner.SOPInstanceUID, inner.StudyInstanceUID = "9.9", "9.9.9"
    inner.ReferencedImageSequence = [Dataset()]
    inner.ReferencedImageSequence[0].StudyInstanceUID = "9.8"
    made.ReferencedImageSequence = [inner]
    for element in (made["ReferencedImageSequence"], inner["ReferencedImageSequence"]):
        element.is_undefined_length = undefined
        element.value[0].is_undefined_length_sequence_item = undefined

    assert identified(file_of(made), tmp_path) == WHOLE


def test_a_series_may_be_missing_and_a_study_may_not(tmp_path):
    def without(keyword: str) -> bytes:
        return dicom_file(radiograph(64, 60), change=lambda made: delattr(made, keyword))

    assert identified(without("SeriesInstanceUID"), tmp_path) == Identity(
        sop_class=str(DX), instance="1.2.3.4", study="1.2", series=""
    )
    assert identified(without("StudyInstanceUID"), tmp_path) is None


@pytest.mark.parametrize("uid", ["../../etc/passwd", "1.2/3", "", "1" * 65])
def test_what_is_no_identifier_identifies_nothing(uid, tmp_path):
    def change(made: Dataset) -> None:
        made["StudyInstanceUID"]._value = uid

    assert identified(dicom_file(radiograph(64, 60), change=change), tmp_path) is None


def test_bytes_that_are_cut_off_or_something_else_never_raise(tmp_path):
    whole = dicom_file(radiograph(64, 60), syntax=ImplicitVRLittleEndian)
    for end in range(0, 700, 3):
        assert identified(whole[:end], tmp_path) in {None, WHOLE, Identity(**{**_fields(WHOLE), "series": ""})}
    assert identified(b"\x89PNG" + bytes(200), tmp_path) is None
    assert identified(bytes(128) + b"DICM" + b"\xff" * 5000, tmp_path) is None


def _fields(one: Identity) -> dict[str, str]:
    return {name: getattr(one, name) for name in ("sop_class", "instance", "study", "series")}


def test_a_deflated_data_set_is_inflated_no_further_than_it_is_looked_at(tmp_path):
    def comment(made: Dataset) -> None:
        made.add_new(0x00082111, "UT", "0" * 30_000_000)  # stands before the study's identifier

    out = io.BytesIO()
    made = dicom(radiograph(64, 60), syntax=DeflatedExplicitVRLittleEndian, change=comment)
    made.save_as(out, enforce_file_format=True)

    assert identified(out.getvalue(), tmp_path) is None
