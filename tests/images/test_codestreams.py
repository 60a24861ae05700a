import io
from struct import pack

import numpy as np
import pytest
from PIL import Image
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import JPEG2000Lossless, JPEGBaseline8Bit, JPEGLSLossless

from ml.images.codestreams import cleaned
from ml.images.read import Unreadable
from tests import phantoms

NAME = b"QUILLFEATHER"
GRAY = phantoms.radiograph(64, 60)


def frame_of(syntax):
    made = phantoms.dicom(GRAY, syntax=syntax)
    return next(generate_frames(made.PixelData, number_of_frames=1))


def with_segment(frame, marker, content, at=2):
    return frame[:at] + pack(">HH", marker, len(content) + 2) + content + frame[at:]


def progressive_with_late_comment():
    out = io.BytesIO()
    Image.fromarray(GRAY).save(out, "JPEG", progressive=True)
    whole = out.getvalue()
    second_scan = whole.index(b"\xff\xda", whole.index(b"\xff\xda") + 2)
    table = whole.rindex(b"\xff\xc4", 0, second_scan) if b"\xff\xc4" in whole[:second_scan] else second_scan
    return with_segment(whole, 0xFFFE, NAME, at=table)


@pytest.mark.parametrize("marker", [0xFFFE, 0xFFE1, 0xFFE2, 0xFFED, 0xFFEF, 0xFFE8])
@pytest.mark.parametrize("syntax", [JPEGBaseline8Bit, JPEGLSLossless], ids=["jpeg", "jpeg-ls"])
def test_comments_and_application_data_are_zeroed_in_place(syntax, marker):
    frame = with_segment(frame_of(syntax), marker, NAME)

    clean = cleaned(frame, 64, 60)

    assert NAME not in clean
    assert len(clean) == len(frame)


def test_comment_between_the_scans_of_a_progressive_picture_is_zeroed():
    frame = progressive_with_late_comment()
    assert NAME in frame

    clean = cleaned(frame, 64, 60)

    assert NAME not in clean
    with Image.open(io.BytesIO(clean)) as picture, Image.open(io.BytesIO(frame)) as original:
        assert np.array_equal(np.asarray(picture), np.asarray(original))


def test_bytes_behind_the_end_of_a_picture_are_zeroed():
    frame = frame_of(JPEGBaseline8Bit).rstrip(b"\0")

    clean = cleaned(frame + NAME, 64, 60)

    assert clean == cleaned(frame, 64, 60) + bytes(len(NAME))


def test_colour_transform_that_decoders_need_stays():
    out = io.BytesIO()
    Image.fromarray(GRAY).convert("CMYK").save(out, "JPEG")

    assert b"Adobe" in cleaned(out.getvalue(), 64, 60)


def test_comment_of_jpeg_2000_is_zeroed_and_the_picture_stays(read):
    frame = frame_of(JPEG2000Lossless)
    end_of_size = 4 + int.from_bytes(frame[4:6], "big")
    planted = frame[:end_of_size] + pack(">HHH", 0xFF64, len(NAME) + 4, 1) + NAME + frame[end_of_size:]

    def replace(made):
        made.PixelData = encapsulate([planted])

    outcome = read(phantoms.dicom_file(GRAY, syntax=JPEG2000Lossless, change=replace))

    assert NAME not in outcome.all_bytes()
    assert np.array_equal(outcome.plane(), read(phantoms.png_file(GRAY)).plane())


def test_text_box_of_a_jp2_file_is_zeroed():
    out = io.BytesIO()
    Image.fromarray(GRAY).save(out, "JPEG2000", no_jp2=False)
    box = pack(">I4s", 8 + len(NAME), b"xml ") + NAME
    frame = out.getvalue()
    at = frame.index(b"jp2c") - 4

    clean = cleaned(frame[:at] + box + frame[at:], 64, 60)

    assert NAME not in clean
    with Image.open(io.BytesIO(clean)) as picture:
        assert np.array_equal(np.asarray(picture), GRAY)


@pytest.mark.parametrize(
    "syntax", [JPEGBaseline8Bit, JPEGLSLossless, JPEG2000Lossless], ids=["jpeg", "jpeg-ls", "jpeg-2000"]
)
def test_stream_that_names_another_size_than_the_header_is_refused(syntax):
    frame = frame_of(syntax)

    for rows, columns in ((65, 60), (64, 59), (60, 64)):
        with pytest.raises(Unreadable) as refused:
            cleaned(frame, rows, columns)
        assert refused.value.code == "inconsistent_pixels"


@pytest.mark.parametrize(
    "damaged",
    [
        b"\xff\xd8",
        b"\xff\xd8\x00\x00",
        b"\xff\xd8\xff\xe1\xff\xff",
        b"\xff\xd8\xff\xe1\x00\x00",
        b"\x00\x00\x00\x0cjP  ",
        b"\x00\x00\x00\x0cjP  \r\n\x87\n\x00\x00\x00\x01jp2c" + bytes(8),
        b"neither",
        b"",
    ],
)
def test_damaged_stream_is_refused(damaged):
    with pytest.raises(Unreadable) as refused:
        cleaned(damaged, 64, 60)

    assert refused.value.code in {"unreadable", "truncated"}
