import numpy as np
import pytest
from pydicom import Dataset

from ml.images.dicom_routing import route_of
from ml.images.read import Unreadable
from ml.vocabulary import Modality, NotAssessed, Note
from tests import phantoms

TILTED_19 = (1, 0, 0, 0, np.cos(np.deg2rad(19)), np.sin(np.deg2rad(19)))
TILTED_21 = (1, 0, 0, 0, np.cos(np.deg2rad(21)), np.sin(np.deg2rad(21)))


def route(*, hold_burned_in=False, **properties):
    return route_of(phantoms.dicom(**properties), hold_burned_in=hold_burned_in)


@pytest.mark.parametrize(
    ("modality", "expected", "reason"),
    [
        ("CR", Modality.XRAY, None),
        ("DX", Modality.XRAY, None),
        ("DR", Modality.XRAY, None),
        ("dx ", Modality.XRAY, None),
        ("CT", Modality.CT, None),
        *((code, Modality.UNKNOWN, NotAssessed.WRONG_MODALITY) for code in ["MG", "RF", "XA", "US", "MR", "NM", "PT"]),
    ],
)
def test_modality_decides_first(modality, expected, reason):
    found = route(modality=modality)

    assert (found.modality, found.not_assessed) == (expected, reason)


def test_missing_modality_is_told_by_the_class():
    def without(made: Dataset) -> None:
        del made.Modality

    assert route(modality="CR", change=without).modality is Modality.XRAY
    assert route(modality="CT", change=without).modality is Modality.CT


@pytest.mark.parametrize("modality", ["OT", "CT"])
def test_gate_decides_about_secondary_captures(modality, gate, read):
    gate.modality = Modality.CT

    picture = read(phantoms.dicom_file(modality=modality, sop_class=phantoms.SECONDARY_CAPTURE)).picture

    assert (picture.modality, picture.not_assessed, gate.asked) == (Modality.CT, None, 1)
    assert Note.SECONDARY_CAPTURE in picture.notes


def test_gate_is_not_asked_about_original_acquisitions(gate, read):
    gate.modality = Modality.UNKNOWN

    picture = read(phantoms.dicom_file()).picture

    assert (picture.modality, picture.not_assessed, gate.asked) == (Modality.XRAY, None, 0)


def test_header_overrules_the_uploader(read):
    picture = read(phantoms.dicom_file(), modality=Modality.CT).picture

    assert (picture.modality, picture.not_assessed) == (Modality.XRAY, None)
    assert Note.MODALITY_CORRECTED in picture.notes


@pytest.mark.parametrize("seen", [Modality.UNKNOWN, Modality.XRAY])
def test_slice_that_does_not_look_like_a_chest_is_not_assessed_though_its_header_says_ct(gate, read, seen):
    gate.modality = seen

    picture = read(phantoms.dicom_file(modality="CT")).picture

    assert (picture.modality, picture.not_assessed) == (Modality.CT, NotAssessed.NOT_CHEST)


@pytest.mark.parametrize(
    "properties",
    [{"PresentationIntentType": "FOR PROCESSING"}, {"sop_class": phantoms.DX_RAW}],
)
def test_raw_detector_data_is_not_assessed(properties):
    assert route(**properties).not_assessed is NotAssessed.RAW_DETECTOR


@pytest.mark.parametrize(
    ("view", "expected", "reason"),
    [
        ("PA", "PA", None),
        ("AP", "AP", None),
        ("", "unknown", None),
        (None, "unknown", None),
        ("LL", "L", NotAssessed.WRONG_VIEW),
        ("RL", "L", NotAssessed.WRONG_VIEW),
        ("LATERAL", "L", NotAssessed.WRONG_VIEW),
        ("LLO", "unknown", NotAssessed.WRONG_VIEW),
    ],
)
def test_lateral_radiographs_are_not_assessed_and_an_empty_view_is(view, expected, reason):
    found = route(view=view)

    assert (found.view, found.not_assessed) == (expected, reason)


def test_view_may_come_as_a_code():
    def coded(made: Dataset) -> None:
        item = Dataset()
        item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = "399173006", "SCT", "left lateral"
        made.ViewCodeSequence = [item]

    assert route(view=None, change=coded).not_assessed is NotAssessed.WRONG_VIEW


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        ("CHEST", None),
        ("Thorax ap", None),
        ("", None),
        (None, None),
        ("UNKNOWN", None),
        ("CHESTABDPELVIS", None),
        ("KNEE", NotAssessed.WRONG_BODY_PART),
        ("HEAD", NotAssessed.WRONG_BODY_PART),
    ],
)
def test_another_body_part_is_not_assessed_and_an_empty_one_is(part, reason):
    assert route(body_part=part).not_assessed is reason


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (["ORIGINAL", "PRIMARY", "AXIAL"], None),
        (["ORIGINAL", "PRIMARY", "LOCALIZER"], NotAssessed.LOCALIZER),
        (["DERIVED", "SECONDARY", "DOSE_INFO"], NotAssessed.LOCALIZER),
        (["DERIVED", "SECONDARY", "MPR"], NotAssessed.REFORMAT),
        (["DERIVED", "SECONDARY", "MIP"], NotAssessed.REFORMAT),
    ],
)
def test_localizers_and_reformats_are_not_assessed(kind, reason):
    assert route(modality="CT", ImageType=kind).not_assessed is reason


@pytest.mark.parametrize(
    ("orientation", "view", "reason"),
    [
        (phantoms.AXIAL, "axial", None),
        ((-1, 0, 0, 0, -1, 0), "axial", None),
        (TILTED_19, "axial", None),
        (TILTED_21, "unknown", NotAssessed.NOT_AXIAL),
        ((1, 0, 0, 0, 0, -1), "unknown", NotAssessed.NOT_AXIAL),
        (None, "unknown", None),
        ((0, 0, 0, 0, 0, 0), "unknown", None),
    ],
)
def test_slices_more_than_twenty_degrees_from_axial_are_not_assessed(orientation, view, reason):
    found = route(modality="CT", orientation=orientation)

    assert (found.view, found.not_assessed) == (view, reason)


def test_position_is_measured_along_the_normal_of_the_slice():
    assert route(modality="CT", orientation=phantoms.AXIAL, position=(10, 20, -35.5)).position == -35.5
    assert route(modality="CT", orientation=(1, 0, 0, 0, 0, -1), position=(1, 7, 2)).position == 7
    assert route(modality="CT", position=(1, 7, 2)).position is None


@pytest.mark.parametrize(
    ("burned_in", "note"),
    [("NO", None), ("YES", Note.BURNED_IN_YES), (None, Note.BURNED_IN_UNKNOWN), ("?", Note.BURNED_IN_UNKNOWN)],
)
def test_burned_in_text_is_noted_and_held_back_where_the_site_says_so(burned_in, note):
    free, held = route(burned_in=burned_in), route(burned_in=burned_in, hold_burned_in=True)

    assert free.notes == held.notes == ((note,) if note else ())
    assert free.not_assessed is None
    assert held.not_assessed is (NotAssessed.BURNED_IN_HELD if note else None)


@pytest.mark.parametrize(
    ("properties", "child"),
    [
        ({"PatientAge": "015Y"}, True),
        ({"PatientAge": "016Y"}, False),
        ({"PatientAge": "191M"}, True),
        ({"PatientAge": "030W"}, True),
        ({"PatientBirthDate": "20080301", "StudyDate": "20240229"}, True),
        ({"PatientBirthDate": "20080229", "StudyDate": "20240229"}, False),
        ({}, False),
        ({"PatientBirthDate": "20300101", "StudyDate": "20240229"}, False),
    ],
)
def test_patient_under_sixteen_is_noted(properties, child):
    assert (Note.PAEDIATRIC in route(**properties).notes) is child


@pytest.mark.parametrize("modality", ["SR", "PR", "KO", "SEG", "RTSTRUCT"])
def test_objects_without_a_picture_are_refused(modality, read):
    with pytest.raises(Unreadable) as refused:
        read(phantoms.dicom_file(modality=modality))

    assert refused.value.code == "not_an_image"


@pytest.mark.parametrize(
    "uid", ["1.2.840.10008.1.3.10", "1.2.840.10008.5.1.4.1.1.88.33", "1.2.840.10008.5.1.4.1.1.104.1"]
)
def test_classes_without_a_picture_are_refused_whatever_the_modality_says(uid, read):
    with pytest.raises(Unreadable) as refused:
        read(phantoms.dicom_file(sop_class=uid))

    assert refused.value.code == "not_an_image"


@pytest.mark.parametrize(
    "gone", ["PixelValueTransformationSequence", "PlaneOrientationSequence", "PlanePositionSequence"]
)
def test_enhanced_ct_without_what_its_frames_need_is_refused(gone, read):
    made = phantoms.enhanced_ct(np.stack([phantoms.axial_slice(32)] * 2))
    for group in (*made.SharedFunctionalGroupsSequence, *made.PerFrameFunctionalGroupsSequence):
        if gone in group:
            delattr(group, gone)

    with pytest.raises(Unreadable) as refused:
        read(phantoms.file_of(made))

    assert refused.value.code == "enhanced_unsupported"
