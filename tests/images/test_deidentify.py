import logging
from datetime import date

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.config import disable_value_validation
from pydicom.dataset import PrivateBlock
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEGBaseline8Bit

from ml.images.pseudonyms import Pseudonyms
from ml.images.read import rebuild_plane
from tests import phantoms
from tests.images.conftest import KEY

NAME = "QUILLFEATHER"

# One of each value representation that can hold text, and those where names turn up in practice.
PLANTED = {
    "PatientName": f"{NAME}^DRAWN",
    "PatientID": NAME,
    "OtherPatientIDs": NAME,
    "OtherPatientNames": NAME,
    "PatientBirthName": NAME,
    "PatientMotherBirthName": NAME,
    "PatientAddress": NAME,
    "PatientComments": f"{NAME} was here",
    "ReferringPhysicianName": NAME,
    "PerformingPhysicianName": NAME,
    "OperatorsName": NAME,
    "InstitutionName": NAME,
    "InstitutionAddress": NAME,
    "StationName": NAME,
    "AccessionNumber": NAME,
    "StudyID": NAME,
    "StudyDescription": NAME,
    "SeriesDescription": NAME,
    "ProtocolName": NAME,
    "RequestedProcedureDescription": NAME,
    "ImageComments": NAME,
    "DeviceSerialNumber": NAME,
    "ConvolutionKernel": NAME,
    "FilterType": NAME,
    "BodyPartExamined": f"CHEST {NAME}",
    "ImageType": ["ORIGINAL", "PRIMARY", NAME],
    "PatientSex": NAME,
    "PatientOrientation": ["L", NAME],
    "AcquisitionDeviceProcessingDescription": NAME,
    "RetrieveURL": f"https://{NAME}.example",
}


def plant(made: Dataset) -> None:
    block: PrivateBlock = made.private_block(0x0011, f"{NAME} PRIVATE", create=True)
    block.add_new(0x01, "LO", NAME)
    request = Dataset()
    request.ReasonForTheRequestedProcedure = request.RequestedProcedureID = NAME
    nested = Dataset()
    nested.PersonName, nested.RequestAttributesSequence = NAME, [request]
    made.RequestAttributesSequence = [request]
    made.ContentCreatorIdentificationCodeSequence = [nested]
    source = Dataset()
    source.ReferencedSOPClassUID, source.ReferencedSOPInstanceUID = phantoms.CT, f"1.2.3.{NAME}"
    source.add_new("PatientName", "PN", NAME)
    source.PurposeOfReferenceCodeSequence = [nested]
    made.SourceImageSequence = [source]
    made.EncapsulatedDocument = NAME.encode()
    made.ICCProfile = NAME.encode()
    made.IconImageSequence = [request]
    made.add_new(0x60003000, "OW", NAME.encode())
    made.add_new(0x60000022, "LO", NAME)
    made.add_new(0x50003000, "OW", NAME.encode())
    made.add_new(0x00204000, "LT", NAME)
    made.add_new(0x00091001, "UN", NAME.encode())
    made.file_meta.SourceApplicationEntityTitle = NAME
    made.file_meta.PrivateInformationCreatorUID, made.file_meta.PrivateInformation = "1.2", NAME.encode()
    made.preamble = NAME.encode().ljust(128, b"\0")


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEGBaseline8Bit])
def test_name_planted_everywhere_is_found_nowhere(syntax, read, caplog, capfd):
    with disable_value_validation():
        sent = phantoms.dicom_file(syntax=syntax, change=plant, **PLANTED)
    assert sent.count(NAME.encode()) >= 40
    caplog.set_level(logging.DEBUG)

    outcome = read(sent)

    said = capfd.readouterr()
    assert NAME.encode() not in outcome.all_bytes()
    assert NAME not in repr(outcome.processed)
    assert NAME not in caplog.text + said.out + said.err
    assert outcome.kept().preamble == bytes(128)


def test_name_inside_values_that_are_numbers_or_dates_does_not_stay(read):
    def plant_in_numbers(made: Dataset) -> None:
        for keyword, vr in {"KVP": "LO", "SliceThickness": "LO", "StudyDate": "LO", "PatientAge": "LO"}.items():
            made.add_new(keyword, vr, NAME)
        made.add_new("PixelPaddingValue", "LT", NAME)

    outcome = read(phantoms.dicom_file(change=plant_in_numbers))

    assert NAME.encode() not in outcome.all_bytes()
    assert outcome.processed.deidentified["removed"]["KVP"] == 1


def test_name_behind_and_inside_the_pixels_does_not_stay(read):
    padding = NAME.encode().ljust(48, b"\0")

    def append(made: Dataset) -> None:
        made.PixelData += padding

    outcome = read(phantoms.dicom_file(change=append))

    assert NAME.encode() not in outcome.all_bytes()
    assert len(outcome.kept().PixelData) == 64 * 60


def test_overlay_in_bits_that_no_pixel_uses_goes(read):
    clean = np.arange(3840, dtype=np.uint16).reshape(60, 64)
    burned = clean | np.uint16(0x8000)

    outcome = read(phantoms.dicom_file(burned, bits=12, window=(2048, 4096)))

    assert np.array_equal(outcome.kept().pixel_array, clean)


def test_sign_of_signed_pixels_survives_the_cleaning_of_unused_bits(read):
    signed = np.arange(-2048, 2048, dtype=np.int16).reshape(64, 64)
    burned = signed ^ np.int16(0x4000)

    outcome = read(phantoms.dicom_file(burned, bits=12, modality="CT", rescale=(1, 0)))

    kept = outcome.kept()
    assert np.array_equal(np.frombuffer(kept.PixelData, "<i2").reshape(64, 64), signed)


def test_identifiers_become_valid_keyed_pseudonyms(read):
    outcome = read(phantoms.dicom_file(), key=KEY)
    other = read(phantoms.dicom_file(), key=bytes(32))

    kept, processed = outcome.kept(), outcome.processed
    names = Pseudonyms(KEY)
    assert processed.study_uid == kept.StudyInstanceUID == names.uid("1.2")
    assert processed.series_uid == kept.SeriesInstanceUID == names.uid("1.2.3")
    assert processed.instance_uid == kept.SOPInstanceUID == names.uid("1.2.3.4")
    assert kept.file_meta.MediaStorageSOPInstanceUID == kept.SOPInstanceUID
    assert processed.patient == kept.PatientID == str(kept.PatientName) == names.patient("MRN-0042")
    assert all(UID(uid).is_valid for uid in (processed.study_uid, kept.file_meta.ImplementationClassUID))
    assert other.processed.study_uid != processed.study_uid
    assert other.processed.patient != processed.patient
    assert other.processed.pixels_sha256 == processed.pixels_sha256


def test_same_number_of_two_issuers_is_two_patients():
    names = Pseudonyms(KEY)

    assert names.patient("42", "WARD A") != names.patient("42", "WARD B")
    assert names.patient("2", "4") != names.patient("", "42")
    assert names.patient("42 ") == names.patient("42")


def test_patient_without_a_number_has_no_pseudonym(read):
    assert read(phantoms.dicom_file(PatientID="")).processed.patient is None


def test_nested_and_referenced_identifiers_are_remapped_like_their_objects(read):
    def refer(made: Dataset) -> None:
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = phantoms.DX, "1.2.3.4"
        made.ReferencedImageSequence = [item]

    kept = read(phantoms.dicom_file(change=refer)).kept()

    [item] = kept.ReferencedImageSequence
    assert item.ReferencedSOPInstanceUID == kept.SOPInstanceUID
    assert item.ReferencedSOPClassUID == phantoms.DX


def test_dates_of_one_patient_go_back_by_the_same_days_and_of_another_by_others(read):
    dates = {"StudyDate": "20240229", "SeriesDate": "20240301"}
    first = read(phantoms.dicom_file(**dates)).kept()
    other = read(phantoms.dicom_file(PatientID="MRN-0043", **dates)).kept()

    study, series = (date.fromisoformat(first[keyword].value) for keyword in dates)
    assert (series - study).days == 1
    assert 1 <= (date(2024, 2, 29) - study).days <= 3650
    assert other.StudyDate != first.StudyDate


@pytest.mark.parametrize(
    ("age", "kept"), [("042Y", "042Y"), ("090Y", "090Y"), ("091Y", "090Y"), ("117Y", "090Y"), ("006M", "006M")]
)
def test_age_is_told_up_to_ninety(age, kept, read):
    assert read(phantoms.dicom_file(PatientAge=age)).kept().PatientAge == kept


def test_methods_named_are_those_applied_and_never_the_cleaning_of_pixels(read):
    def codes(**tags):
        kept = read(phantoms.dicom_file(**tags)).kept()
        assert kept.PatientIdentityRemoved == "YES"
        assert kept.DeidentificationMethod
        return {item.CodeValue for item in kept.DeidentificationMethodCodeSequence}

    assert codes(PatientAge="042Y", PatientSex="F") == {"113107", "113108"}
    assert codes() == {"113107"}
    assert codes(StudyDate="") == set()


def test_syntax_class_and_what_the_picture_needs_stay(read):
    sent = phantoms.dicom(
        window=(100, 300), rescale=(2, -5), voi_lut=(0, 8, list(range(256))), syntax=ImplicitVRLittleEndian
    )

    kept = read(phantoms.file_of(sent)).kept()

    assert kept.file_meta.TransferSyntaxUID == ImplicitVRLittleEndian
    for keyword in ("SOPClassUID", "Rows", "WindowCenter", "RescaleIntercept", "PixelData", "ViewPosition"):
        assert kept[keyword].value == sent[keyword].value
    assert kept.VOILUTSequence[0].LUTDescriptor == [256, 0, 8]


def test_counts_name_attributes_and_never_values(read):
    counts = read(phantoms.dicom_file(InstitutionName=NAME)).processed.deidentified

    assert set(counts) == {"kept", "changed", "removed"}
    assert counts["removed"] == {"InstitutionName": 1}
    assert counts["changed"]["PatientName"] == counts["changed"]["StudyDate"] == 1
    assert counts["kept"]["PixelData"] == 1


def test_unknown_rescale_type_does_not_become_hounsfield_units(read):
    sent = phantoms.dicom_file(
        phantoms.axial_slice(), modality="CT", rescale=(1, 0), RescaleType="VENDOR", window=(40, 400)
    )

    outcome = read(sent)

    assert outcome.kept().RescaleType == "US"
    assert outcome.processed.facts["Window"] == "centre 40 width 400 LINEAR"
    assert rebuild_plane(outcome.source, 0) == outcome.plane().tobytes()


def test_original_in_memory_is_not_changed_by_reading_it_again(read):
    sent = phantoms.dicom_file(PatientAge="099Y")

    first, second = read(sent), read(sent)

    assert first.processed.pictures == second.processed.pictures
    assert first.source.read_bytes() == second.source.read_bytes()


def test_kept_object_is_a_file_that_pydicom_reads_without_a_warning(read):
    outcome = read(phantoms.dicom_file())

    assert dcmread(outcome.source).pixel_array.shape == (64, 60)
