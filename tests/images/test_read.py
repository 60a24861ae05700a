import errno
import io
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
)

from ml.images.kept import Kept
from ml.images.read import Limits, Options, Processed, Unreadable, process_file, rebuild_plane
from ml.vocabulary import Modality
from tests import phantoms
from tests.images.conftest import KEY

LOSSLESS = [
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
    RLELossless,
    JPEGLSLossless,
    JPEG2000Lossless,
]


@pytest.mark.parametrize("syntax", LOSSLESS, ids=lambda syntax: syntax.keyword)
def test_every_lossless_syntax_gives_the_same_plane(syntax, read):
    stored = (phantoms.radiograph(64, 60).astype(np.uint16) << 4) | 5
    plain = read(phantoms.dicom_file(stored, bits=12, window=(2048, 4096)))

    outcome = read(phantoms.dicom_file(stored, bits=12, window=(2048, 4096), syntax=syntax))

    assert np.array_equal(outcome.plane(), plain.plane())
    assert outcome.kept().file_meta.TransferSyntaxUID == syntax
    assert rebuild_plane(outcome.source, 0) == outcome.plane().tobytes()


def test_jpeg_inside_dicom_is_the_same_picture_as_jpeg_outside(read):
    gray = phantoms.radiograph(64, 60)

    inside, outside = read(phantoms.dicom_file(gray, syntax=JPEGBaseline8Bit)), read(phantoms.jpeg_file(gray))

    assert np.array_equal(inside.plane(), outside.plane())


def test_each_frame_has_a_preview_a_plane_and_a_picture(read):
    frames = np.stack([phantoms.radiograph(64, 60, seed) for seed in range(3)])

    outcome = read(phantoms.dicom_file(frames))

    names = sorted(path.name for path in outcome.out.iterdir())
    assert names == ["0.jpg", "0.plane", "1.jpg", "1.plane", "2.jpg", "2.plane", "source.dcm"]
    assert [picture.frame for picture in outcome.processed.pictures] == [0, 1, 2]
    assert len({picture.plane_sha256 for picture in outcome.processed.pictures}) == 3
    for frame in range(3):
        assert rebuild_plane(outcome.source, frame) == outcome.plane(frame).tobytes()
        assert np.array_equal(outcome.plane(frame), read(phantoms.png_file(frames[frame])).plane())


def test_preview_is_a_small_gray_jpeg(read):
    outcome = read(phantoms.png_file(phantoms.radiograph(2000, 1500)))

    with Image.open(outcome.out / "0.jpg") as preview:
        assert (preview.format, preview.mode, preview.size) == ("JPEG", "L", (768, 1024))


def test_small_picture_is_not_enlarged_for_its_preview(read):
    with Image.open(read(phantoms.png_file(phantoms.radiograph(80, 60))).out / "0.jpg") as preview:
        assert preview.size == (60, 80)


def test_picture_says_what_it_is(read):
    outcome = read(phantoms.dicom_file(phantoms.radiograph(300, 280), view="AP"))

    picture = outcome.picture
    assert (picture.modality, picture.view, picture.rows, picture.columns) == (Modality.XRAY, "AP", 300, 280)
    assert (picture.notes, picture.not_assessed, picture.position) == ((), None, None)
    assert outcome.processed.facts == {
        "Modality": "DX",
        "SOPClass": "Digital X-Ray Image Storage - For Presentation",
        "TransferSyntax": "Explicit VR Little Endian",
        "BodyPartExamined": "CHEST",
        "ViewPosition": "AP",
        "PhotometricInterpretation": "MONOCHROME2",
        "BitsStored": "8",
        "Rows": "300",
        "Columns": "280",
        "BurnedInAnnotation": "NO",
        "Window": "centre 128 width 256 LINEAR",
    }


def test_equal_pixels_have_equal_hashes_whatever_the_header_and_the_syntax(read):
    first = read(phantoms.dicom_file()).processed
    renamed = read(phantoms.dicom_file(PatientID="OTHER", syntax=RLELossless)).processed
    changed = phantoms.radiograph(64, 60)
    changed[0, 0] += 1

    assert first.pixels_sha256 == renamed.pixels_sha256
    assert read(phantoms.dicom_file(changed)).processed.pixels_sha256 != first.pixels_sha256


@pytest.mark.parametrize("made", [phantoms.png_file, phantoms.jpeg_file, phantoms.dicom_file])
def test_outcome_crosses_a_process_boundary_as_json(made, read):
    processed = read(made()).processed

    assert Processed.from_json(json.loads(json.dumps(processed.as_json()))) == processed


def test_refusal_crosses_a_process_boundary():
    there = pickle.loads(pickle.dumps(Unreadable("truncated", cause="EOFError")))

    assert (there.code, there.cause) == ("truncated", "EOFError")
    assert str(there) == "The file ends before its pixels do. Copy or export it again."


def test_key_of_the_wrong_length_is_refused_and_no_key_is_ever_shown():
    with pytest.raises(ValueError, match="32 bytes"):
        Options(key=b"short")
    assert "key" not in repr(Options(key=KEY))


def test_file_is_recognised_by_its_bytes_whatever_its_name(tmp_path):
    source = tmp_path / "picture.png"
    source.write_bytes(phantoms.jpeg_file())

    assert process_file(source, tmp_path, Options(key=KEY)).kind == "jpeg"


@pytest.mark.parametrize("cut", [0, 128])
def test_dicom_without_preamble_is_read(cut, read):
    whole = phantoms.dicom_file()

    outcome = read(whole[132:] if cut else whole)

    assert outcome.processed.kind == "dicom"
    assert outcome.picture.modality is Modality.XRAY


def test_data_set_without_preamble_and_meta_is_read(read):
    made = phantoms.dicom(syntax=ImplicitVRLittleEndian)
    out = io.BytesIO()
    bare = Dataset()
    bare.update(made)
    bare.save_as(out, implicit_vr=True, little_endian=True)

    outcome = read(out.getvalue())

    assert outcome.kept().file_meta.TransferSyntaxUID == ImplicitVRLittleEndian
    assert np.array_equal(outcome.plane(), read(phantoms.file_of(made)).plane())


def test_missing_instance_uid_is_replaced_by_one_of_its_own(read):
    def without(made: Dataset) -> None:
        del made.SOPInstanceUID, made.StudyInstanceUID

    first = read(phantoms.dicom_file(change=without))
    second = read(phantoms.dicom_file(change=without, window=(100, 200)))

    assert first.processed.study_uid is None
    assert first.processed.instance_uid == first.kept().SOPInstanceUID
    assert first.processed.instance_uid != second.processed.instance_uid


@pytest.mark.parametrize(("number", "code"), [(errno.ENOSPC, "storage_full"), (errno.EIO, "interrupted")])
def test_disk_that_fails_is_no_fault_of_the_file(number, code, tmp_path, monkeypatch):
    def fail(path: Path, content: bytes) -> int:
        raise OSError(number, "disk")

    monkeypatch.setattr("ml.images.kept.Path.write_bytes", fail)

    with pytest.raises(Unreadable) as refused:
        Kept(tmp_path, Options(key=KEY)).write("0.jpg", b"jpeg")

    assert refused.value.code == code
    assert list(tmp_path.iterdir()) == []


def test_source_that_is_gone_is_named_so(tmp_path):
    with pytest.raises(Unreadable) as refused:
        rebuild_plane(tmp_path / "source.png", 0)

    assert refused.value.code == "blob_missing"


def test_frame_that_does_not_exist_cannot_be_rebuilt(read):
    outcome = read(phantoms.dicom_file())

    for frame in (-1, 1):
        with pytest.raises(Unreadable) as refused:
            rebuild_plane(outcome.source, frame)
        assert refused.value.code == "inconsistent_pixels"


def test_timings_say_where_the_time_went(read):
    for made, steps in ((phantoms.png_file, 6), (phantoms.dicom_file, 8)):
        timings = read(made()).processed.timings

        assert len(timings) == steps
        assert all(step.endswith("_ms") and spent >= 0 for step, spent in timings.items())


def test_file_larger_than_allowed_is_not_even_opened(tmp_path, monkeypatch):
    source = tmp_path / "file"
    source.write_bytes(bytes(100))
    monkeypatch.setattr("ml.images.read.Path.read_bytes", lambda path: pytest.fail("was read"))

    with pytest.raises(Unreadable) as refused:
        process_file(source, tmp_path, Options(key=KEY, limits=Limits(max_file_bytes=99)))

    assert refused.value.code == "too_large"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
