"""Attacks and damage: each ends in a code, at once, and with nothing kept that was in the file."""

import io
import struct
import time
import zlib
from itertools import product

import numpy as np
import pytest
from PIL import Image
from pydicom import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    RLELossless,
)

from ml.images.read import Limits, Unreadable
from ml.images.sniff import kind_of
from tests import phantoms


def code_of(read, data, **options):
    begun = time.process_time()
    with pytest.raises(Unreadable) as refused:
        read(data, **options)
    assert time.process_time() - begun < 2
    return refused.value.code


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png_of_size(width, height, *extra):
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + b"".join(extra) + pixels + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "empty_file"),
        (b"\0", "not_an_image_file"),
        (b"GIF89a" + bytes(50), "not_an_image_file"),
        (b"8BPS" + bytes(50), "not_an_image_file"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n" + bytes(50), "not_an_image_file"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not_an_image_file"),
        (b"%PDF-1.7\n" + bytes(200), "not_an_image_file"),
        (b"PK\x03\x04" + bytes(50), "not_an_image_file"),
        (b"II*\0" + bytes(50), "not_an_image_file"),
        (b"MZ" + bytes(200), "not_an_image_file"),
        (b"\x7fELF" + bytes(200), "not_an_image_file"),
        (b"\x89PNG\r\n\x1a\n", "unreadable"),
        (b"\xff\xd8\xff\xd9", "unreadable"),
        (bytes(128) + b"DICM", "unreadable"),
    ],
)
def test_what_is_no_picture_is_refused_by_its_bytes(data, code, read):
    assert code_of(read, data) == code


@pytest.mark.parametrize("opening", [b"MZ\x90\0", b"\x7fELF", b"<html>", b"%PDF-1.7", b"PK\x03\x04", b"\x89PNG"])
def test_preamble_of_another_program_is_not_kept(opening, read):
    def disguise(made: Dataset) -> None:
        made.preamble = opening.ljust(128, b"!")

    outcome = read(phantoms.dicom_file(change=disguise))

    assert outcome.source.read_bytes()[:132] == bytes(128) + b"DICM"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"Rows": 65535, "Columns": 65535}, "too_many_pixels"),
        ({"NumberOfFrames": 1_000_000_000}, "too_many_frames"),
        ({"NumberOfFrames": 500}, "truncated"),
        ({"NumberOfFrames": -1}, "inconsistent_pixels"),
        ({"Rows": 0}, "inconsistent_pixels"),
        ({"Rows": None}, "inconsistent_pixels"),
        ({"Rows": 65}, "truncated"),
        ({"Rows": 63}, "inconsistent_pixels"),
        ({"Columns": 59}, "inconsistent_pixels"),
        ({"SamplesPerPixel": 3}, "inconsistent_pixels"),
        ({"BitsAllocated": 16}, "truncated"),
        ({"BitsAllocated": 12}, "unsupported_pixels"),
        ({"BitsAllocated": 64}, "unsupported_pixels"),
        ({"BitsStored": 9}, "inconsistent_pixels"),
        ({"HighBit": 9}, "inconsistent_pixels"),
        ({"PixelRepresentation": 7}, "inconsistent_pixels"),
        ({"PhotometricInterpretation": "ARGB"}, "unsupported_pixels"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "unsupported_pixels"),
    ],
    ids=str,
)
def test_header_that_contradicts_the_bytes_is_refused_before_decoding(changes, code, read, monkeypatch):
    monkeypatch.setattr("ml.images.dicom.iter_pixels", lambda *_, **__: pytest.fail("was decoded"))

    def change(made: Dataset) -> None:
        for keyword, value in changes.items():
            setattr(made, keyword, value)

    assert code_of(read, phantoms.dicom_file(change=change)) == code


def test_rows_with_a_longer_representation_are_checked_like_any_other(read):
    def longer(made: Dataset) -> None:
        made.add_new("Rows", "UL", 2**31)

    assert code_of(read, phantoms.dicom_file(change=longer)) == "inconsistent_pixels"


def test_rows_that_are_text_are_refused(read):
    def text(made: Dataset) -> None:
        made.add_new("Rows", "LO", "64")

    assert code_of(read, phantoms.dicom_file(change=text)) == "inconsistent_pixels"


def test_limits_of_the_site_hold(read):
    frames = np.stack([phantoms.radiograph(64, 60)] * 3)

    assert code_of(read, phantoms.dicom_file(), limits=Limits(max_pixels=64 * 60 - 1)) == "too_many_pixels"
    assert code_of(read, phantoms.dicom_file(frames), limits=Limits(max_frames=2)) == "too_many_frames"
    assert code_of(read, phantoms.dicom_file(frames), limits=Limits(max_inflated_bytes=9000)) == "too_many_pixels"
    assert read(phantoms.dicom_file(), limits=Limits(max_pixels=64 * 60)).picture.rows == 64


def test_object_without_pixels_is_refused(read):
    def without(made: Dataset) -> None:
        del made.PixelData

    assert code_of(read, phantoms.dicom_file(change=without)) == "no_pixels"


def test_floating_point_pixels_are_refused(read):
    def floating(made: Dataset) -> None:
        del made.PixelData
        made.FloatPixelData = bytes(64 * 60 * 4)

    assert code_of(read, phantoms.dicom_file(change=floating)) == "unsupported_pixels"


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.4.100", "1.2.840.10008.1.2.4.102", "1.2.3"])
def test_syntax_that_cannot_be_decoded_is_named(syntax, read):
    sent = phantoms.dicom(syntax=JPEGBaseline8Bit)
    sent.file_meta.TransferSyntaxUID = syntax
    out = io.BytesIO()
    sent.save_as(out, implicit_vr=False, little_endian=True)

    assert code_of(read, out.getvalue()) == "unsupported_transfer_syntax"


def test_twelve_bit_jpeg_is_refused_rather_than_decoded_wrongly(read):
    sent = phantoms.dicom(phantoms.radiograph(64, 60).astype(np.uint16), bits=12)
    sent.file_meta.TransferSyntaxUID = JPEGExtended12Bit
    sent.PixelData = phantoms.dicom(syntax=JPEGBaseline8Bit).PixelData
    sent["PixelData"].VR = "OB"
    sent["PixelData"].is_undefined_length = True

    assert code_of(read, phantoms.file_of(sent)) == "unsupported_transfer_syntax"


@pytest.mark.parametrize("claimed", [1, 3])
def test_frames_that_are_not_as_many_as_claimed_are_refused(claimed, read):
    frames = np.stack([phantoms.radiograph(64, 60)] * 2)

    def claim(made: Dataset) -> None:
        made.NumberOfFrames = claimed

    code = code_of(read, phantoms.dicom_file(frames, syntax=RLELossless, change=claim))

    assert code in {"truncated", "inconsistent_pixels", "unreadable"}


def test_deflated_bomb_is_refused_without_being_inflated(read):
    whole = phantoms.dicom_file(syntax=DeflatedExplicitVRLittleEndian)
    head = whole[: _end_of_meta(whole)]
    deflater = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    bomb = b"".join(deflater.compress(bytes(1024 * 1024)) for _ in range(256)) + deflater.flush()
    assert len(bomb) < 300_000

    assert code_of(read, head + bomb, limits=Limits(max_inflated_bytes=2**26)) == "decoder_limit"


def _end_of_meta(whole):
    return 144 + int.from_bytes(whole[140:144], "little")


def test_sequences_nested_ten_thousand_deep_end_in_an_outcome(read):
    start = b"\x08\x00\x15\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    sent = phantoms.dicom_file()
    at = _end_of_meta(sent)

    assert code_of(read, sent[:at] + start * 10_000) == "unreadable"


def test_sequences_nested_deeper_than_any_picture_needs_are_dropped(read):
    def nest(made: Dataset) -> None:
        inner = Dataset()
        for _ in range(30):
            outer = Dataset()
            outer.SourceImageSequence = [inner]
            inner = outer
        made.SourceImageSequence = [inner]

    kept = read(phantoms.dicom_file(change=nest)).kept()

    depth, item = 0, kept
    while "SourceImageSequence" in item and len(item.SourceImageSequence):
        depth, item = depth + 1, item.SourceImageSequence[0]
    assert depth == 8


@pytest.mark.parametrize(("entries", "index"), list(product((1, 2), (0, 255))))
def test_palette_index_outside_its_table_is_harmless(entries, index, read):
    def palette(made: Dataset) -> None:
        for colour in ("Red", "Green", "Blue"):
            name = f"{colour}PaletteColorLookupTable"
            made.add_new(f"{name}Descriptor", "US", [entries, 0, 16])
            made.add_new(f"{name}Data", "OW", (struct.pack("<H", 30000) * 2)[: entries * 2])
        made.PhotometricInterpretation, made.SamplesPerPixel = "PALETTE COLOR", 1

    stored = np.full((64, 60), index, np.uint8)

    assert (read(phantoms.dicom_file(stored, change=palette)).plane() == 117).all()  # 30000 of 65535


@pytest.mark.parametrize("size", [(65_000, 65_000), (2**31 - 1, 2**31 - 1), (60_001, 1_000)])
def test_png_bomb_is_refused(size, read):
    assert code_of(read, png_of_size(*size)) == "too_many_pixels"


def test_text_bomb_in_a_png_does_not_inflate(read):
    bomb = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(200_000_000), 9))

    assert code_of(read, png_of_size(30, 30, bomb)) == "unreadable"


def test_pictures_behind_the_first_of_a_jpeg_are_not_kept(read):
    first, second = Image.new("L", (64, 64), 10), Image.new("L", (64, 64), 200)
    out = io.BytesIO()
    first.save(out, "MPO", save_all=True, append_images=[second])

    outcome = read(out.getvalue())

    assert outcome.processed.kind == "jpeg"
    assert len(outcome.processed.pictures) == 1
    assert (outcome.plane() == 10).all()


def test_exif_of_the_largest_size_does_not_matter(read):
    exif = Image.Exif()
    exif[0x010E] = "x" * 65_000
    out = io.BytesIO()
    Image.fromarray(phantoms.radiograph()).save(out, "JPEG", exif=exif)

    assert len((read(out.getvalue()).out / "source.png").read_bytes()) < len(out.getvalue())


@pytest.mark.parametrize("part", [0.3, 0.6, 0.9, 0.99])
def test_dicom_cut_anywhere_is_refused(part, read):
    whole = phantoms.dicom_file()

    assert code_of(read, whole[: int(len(whole) * part)]) in {"truncated", "no_pixels", "unreadable"}


def test_kinds_are_told_apart():
    assert kind_of(phantoms.dicom_file()) == "dicom"
    assert kind_of(phantoms.png_file()) == "png"
    assert kind_of(phantoms.jpeg_file()) == "jpeg"
