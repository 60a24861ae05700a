from collections.abc import Callable
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.exceptions import ParseError, UnsupportedMediaType

from screening.dicomweb.related import boundary_of, parts_of


def reader(body: bytes, at_once: int) -> Callable[[int], bytes]:
    stream = BytesIO(body)
    return lambda count: stream.read(min(count, at_once))


def read(body: bytes, boundary: bytes = b"x", at_once: int = 7) -> list[tuple[dict[str, str], bytes]]:
    return [(dict(part.headers), b"".join(part.pieces)) for part in parts_of(reader(body, at_once), boundary)]


def test_parts_come_with_their_headers_whatever_stands_around_them():
    body = (
        b"a preamble\r\n--x  \r\nContent-Type: application/dicom\r\nContent-ID: <1>\r\n\r\none\r\n"
        b"--x\r\n\r\n\r\n--x--\r\nan epilogue"
    )

    assert read(body) == [({"content-type": "application/dicom", "content-id": "<1>"}, b"one"), ({}, b"")]


@given(
    files=st.lists(st.binary(max_size=60) | st.just(b"\r\n--x") | st.just(b"\r\n--"), max_size=4),
    at_once=st.integers(1, 90),
)
def test_bytes_come_out_as_they_went_in_however_they_arrive(files, at_once):
    files = [file.replace(b"\r\n--xx", b"") for file in files]
    body = b"".join(b"--xx\r\nA: b\r\n\r\n" + file + b"\r\n" for file in files) + b"--xx--"

    assert [body for _, body in read(body, b"xx", at_once)] == files


def test_a_part_that_was_not_read_is_passed_over():
    body = b"--x\r\n\r\n" + b"a" * 50 + b"\r\n--x\r\n\r\ntwo\r\n--x--"

    parts = parts_of(reader(body, 7), b"x")
    next(parts)

    assert b"".join(next(parts).pieces) == b"two"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no boundary at all",
        b"--x\r\nA: b\r\n\r\ncut o",
        b"--x\r\n\r\nwhole but the last boundary\r\n--x\r\n",
        b"--x and more\r\n\r\none\r\n--x--",
        b"--x\r\nA: " + b"b" * 9000 + b"\r\n\r\none\r\n--x--",
    ],
    ids=["empty", "no boundary", "cut off", "not ended", "no line of its own", "endless headers"],
)
def test_a_body_that_is_not_built_as_the_standard_says_is_refused(body):
    with pytest.raises(ParseError):
        read(body)


@pytest.mark.parametrize(
    ("header", "refusal"),
    [
        ("application/dicom", UnsupportedMediaType),
        ("", UnsupportedMediaType),
        ('multipart/related; type="application/dicom+json"; boundary=x', UnsupportedMediaType),
        ('multipart/related; type="application/dicom"', ParseError),
        (f'multipart/related; type="application/dicom"; boundary={"x" * 71}', ParseError),
    ],
)
def test_a_request_without_parts_of_dicom_is_refused(header, refusal):
    with pytest.raises(refusal):
        boundary_of(header, of="application/dicom")


def test_the_boundary_may_be_quoted_and_the_type_left_out():
    assert boundary_of('Multipart/Related; boundary="a b:c"', of="application/dicom") == b"a b:c"
