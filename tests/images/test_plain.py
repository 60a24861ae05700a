import io

import numpy as np
import pytest
from PIL import Image

from ml.images.gate import NAME as GATE
from ml.images.plain import read_plain
from ml.images.png import make_png
from ml.images.quality import quality_of
from ml.images.read import Limits, Unreadable
from ml.vocabulary import Modality, NotAssessed, Note
from tests import phantoms

NAME = "Quillfeather"


@pytest.mark.parametrize("kind", ["gray", "rgb", "palette", "gray_alpha"])
def test_eight_bit_png_keeps_its_gray_values_whatever_way_it_stores_them(kind):
    gray = phantoms.radiograph()

    plain = read_plain(phantoms.png_file(gray, kind))

    assert np.array_equal(plain.gray, gray)
    assert np.array_equal(plain.stored, gray)
    assert plain.notes == ()


def test_transparent_pixels_are_black():
    gray = phantoms.radiograph()

    plain = read_plain(phantoms.png_file(gray, "rgba"))

    assert (plain.gray[:64] == 0).all()
    assert np.array_equal(plain.gray[64:], gray[64:])


def test_transparent_palette_entry_is_black():
    stripes = np.repeat(np.array([[0, 90, 200]], np.uint8), 4, axis=0)
    palette = Image.fromarray(stripes).quantize(3)
    index_of_200 = int(np.asarray(palette)[0, 2])
    out = io.BytesIO()
    palette.save(out, "PNG", transparency=index_of_200)

    assert read_plain(out.getvalue()).gray[0].tolist() == [0, 90, 0]


def test_bilevel_png_is_black_and_white():
    plain = read_plain(phantoms.png_file(np.array([[0, 255, 255, 0]], np.uint8), "bilevel"))

    assert plain.gray.tolist() == [[0, 255, 255, 0]]


def test_sixteen_bits_that_use_the_top_bit_are_shown_by_their_nominal_range():
    stored = np.array([[0, 257, 32896, 65535]], np.uint16)

    plain = read_plain(phantoms.png_file(stored, "gray16"))

    assert plain.gray.tolist() == [[0, 1, 128, 255]]
    assert np.array_equal(plain.stored, stored)
    assert (plain.notes, plain.window) == ((), "0..65535")


def test_twelve_bits_in_sixteen_are_shown_by_percentiles_and_the_guess_is_noted():
    stored = np.arange(4096, dtype=np.uint16).reshape(64, 64)

    plain = read_plain(phantoms.png_file(stored, "gray16"))

    assert plain.window == "40..4055"
    assert plain.notes == (Note.WINDOW_GUESSED,)
    assert (plain.gray.min(), plain.gray.max()) == (0, 255)


@pytest.mark.parametrize("orientation", [1, 2, 3, 4, 5, 6, 7, 8])
def test_picture_is_turned_upright_as_its_exif_says(orientation):
    gray = phantoms.radiograph(64, 48)
    turned = {
        1: gray,
        2: gray[:, ::-1],
        3: gray[::-1, ::-1],
        4: gray[::-1],
        5: gray.T,
        6: gray.T[:, ::-1],
        7: gray.T[::-1, ::-1],
        8: gray.T[::-1],
    }[orientation]

    plain = read_plain(phantoms.jpeg_file(gray, orientation=orientation))

    assert plain.gray.shape == turned.shape
    assert np.abs(plain.gray.astype(int) - turned).mean() < 1.5  # JPEG at quality 95


def test_colour_is_noted_and_gray_in_three_channels_is_not():
    picture = np.stack([phantoms.radiograph()] * 3, axis=-1)
    marked = picture.copy()
    marked[20:60, 20:60] = (255, 0, 0)

    assert read_plain(_png_of(picture)).notes == ()
    assert read_plain(_png_of(marked)).notes == (Note.COLOUR,)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (300, 257)])
def test_kept_png_holds_every_stored_value(dtype, shape):
    stored = np.random.default_rng(5).integers(0, np.iinfo(dtype).max + 1, shape).astype(dtype)

    with Image.open(io.BytesIO(make_png(stored))) as image:
        assert np.array_equal(np.asarray(image).astype(dtype), stored)
        assert image.info == {}


@pytest.mark.parametrize("made", [phantoms.png_file, phantoms.jpeg_file])
def test_name_in_text_exif_and_comments_reaches_nothing_that_is_kept(made, read):
    sent = made(text=NAME)
    assert NAME.encode() in sent

    outcome = read(sent)

    assert NAME.encode() not in outcome.all_bytes()
    assert NAME not in repr(outcome.processed)
    for path in outcome.out.glob("*.[jp][pn]g"):
        with Image.open(path) as image:
            assert not image.getexif()
            assert not {"comment", "Patient", "Comment"} & set(image.info)


def test_damaged_exif_does_not_refuse_a_sound_picture():
    sound = phantoms.jpeg_file(orientation=6)
    damaged = sound.replace(b"MM\0*", b"MM\xff\xff").replace(b"II*\0", b"II\xff\xff")
    assert damaged != sound

    assert read_plain(damaged).gray.shape == (256, 240)


def test_first_picture_of_an_animation_counts():
    first, second = Image.new("L", (8, 8), 10), Image.new("L", (8, 8), 200)
    out = io.BytesIO()
    first.save(out, "PNG", save_all=True, append_images=[second])

    assert (read_plain(out.getvalue()).gray == 10).all()


def test_more_pixels_than_allowed_are_refused_before_they_are_decoded(monkeypatch):
    decoded = []
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", decoded.append)

    with pytest.raises(Unreadable) as refused:
        read_plain(phantoms.png_file(), Limits(max_pixels=256 * 240 - 1))

    assert refused.value.code == "too_many_pixels"
    assert decoded == []


@pytest.mark.parametrize("made", [phantoms.png_file, phantoms.jpeg_file])
def test_cut_file_is_refused_as_truncated(made, read):
    whole = made()

    with pytest.raises(Unreadable) as refused:
        read(whole[: len(whole) * 2 // 3])

    assert refused.value.code in {"truncated", "unreadable"}


def test_gate_is_asked_about_plain_pictures_and_its_guess_is_noted(gate, read):
    gate.modality = Modality.CT

    picture = read(phantoms.png_file()).picture

    assert (picture.modality, picture.not_assessed) == (Modality.CT, None)
    assert picture.notes == (Note.WINDOW_UNKNOWN, Note.MODALITY_GUESSED)
    assert gate.asked == 1


def test_uploader_who_names_the_modality_needs_no_guess(gate, read):
    picture = read(phantoms.png_file(), modality=Modality.XRAY).picture

    assert (picture.modality, picture.not_assessed, picture.notes) == (Modality.XRAY, None, ())


def test_gate_that_sees_the_other_modality_overrules_the_uploader(gate, read):
    gate.modality = Modality.CT

    picture = read(phantoms.png_file(), modality=Modality.XRAY).picture

    assert (picture.modality, picture.not_assessed) == (Modality.CT, None)
    assert Note.MODALITY_CORRECTED in picture.notes


def test_gate_that_sees_neither_makes_a_picture_not_assessed(gate, read):
    gate.modality = Modality.UNKNOWN

    for wanted in (None, Modality.XRAY):
        picture = read(phantoms.png_file(), modality=wanted).picture

        assert (picture.modality, picture.not_assessed) == (wanted or "unknown", NotAssessed.NOT_CHEST)


@pytest.mark.parametrize(
    "reason", [NotAssessed.ORIENTATION, NotAssessed.POLARITY, NotAssessed.OUT_OF_DISTRIBUTION, NotAssessed.NOT_CHEST]
)
def test_picture_that_the_gate_refuses_keeps_the_reason_of_the_gate(gate, read, reason):
    gate.modality, gate.reason = Modality.UNKNOWN, reason

    assert read(phantoms.png_file()).picture.not_assessed is reason


def test_version_of_the_gate_stands_among_the_facts_of_a_picture_it_was_asked_about(read):
    asked = read(phantoms.png_file()).processed
    slice_ = read(phantoms.dicom_file(modality="CT")).processed
    vouched_for = read(phantoms.dicom_file()).processed

    assert asked.facts["Gate"] == slice_.facts["Gate"] == GATE
    assert "Gate" not in vouched_for.facts


def test_blank_picture_is_not_assessed_and_the_gate_is_not_asked(gate, read):
    picture = read(phantoms.png_file(np.full((300, 300), 9, np.uint8))).picture

    assert picture.not_assessed is NotAssessed.BLANK
    assert gate.asked == 0


def test_poor_quality_is_noted():
    flat = np.tile(np.arange(40, dtype=np.uint8), (512, 13))[:, :512]

    assert quality_of(flat, 199, 800) == (None, (Note.SMALL, Note.LOW_CONTRAST))
    assert quality_of(flat * 3, 200, 800) == (None, ())


@pytest.mark.parametrize("low", [0, 1, 100, 207, 208])
@pytest.mark.parametrize("dark", [2621, 2622, 259522, 259523])  # pixels: 1 % and 99 % of a plane lie between
def test_contrast_is_low_exactly_where_the_percentiles_are_less_than_48_apart(low, dark):
    for span in (47, 48):
        if low + span > 255:
            continue
        plane = np.full(512 * 512, low + span, np.uint8)
        plane[:dark] = low

        notes = quality_of(plane.reshape(512, 512), 300, 300)[1]

        first, last = np.sort(plane)[[2621, 259522]]  # the first value at which 1 %, 99 % of the pixels are reached
        assert (Note.LOW_CONTRAST in notes) is (int(last) - int(first) < 48 and int(last) - int(first) >= 4)


def _png_of(picture):
    out = io.BytesIO()
    Image.fromarray(picture).save(out, "PNG")
    return out.getvalue()
