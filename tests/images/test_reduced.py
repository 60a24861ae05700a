"""Large JPEG 2000 radiographs read at a part of their size: how near they come, and what is never read so."""

import numpy as np
import pytest
from PIL import Image
from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless, JPEGLSLossless

from ml.images import read_dicom
from ml.images.plane import Whole, make_plane, make_plane_of_reduced
from ml.images.read import Unreadable, rebuild_plane
from ml.images.reduced import _levels_of
from ml.images.text import _scales
from ml.vocabulary import LARGE_SIDE, PIPELINE, REDUCED_PIPELINE, Note
from tests import phantoms

ROWS, COLUMNS = 2048, 1200
WINDOW = (2048, 4096)


def large(rows=ROWS, columns=COLUMNS, seed=0):
    """A radiograph of 12 bits with grain."""
    grain = np.random.default_rng(seed).integers(-30, 30, (rows, columns))
    drawn = phantoms.radiograph(rows, columns, seed).astype(np.int32) * 15 + 100 + grain
    return np.clip(drawn, 0, 4095).astype(np.uint16)


def packed(stored, **properties):
    return phantoms.dicom_file(stored, **{"bits": 12, "window": WINDOW, "syntax": JPEG2000Lossless} | properties)


@pytest.fixture(scope="module")
def stored():
    return large()


@pytest.fixture(scope="module")
def sent(stored):
    return packed(stored)


def apart(one, other):
    return np.abs(one.plane().astype(int) - other.plane().astype(int))


def test_a_large_radiograph_is_read_at_half_its_size_and_says_so(sent, read):
    outcome = read(sent, reduced=True)

    assert outcome.processed.pipeline == REDUCED_PIPELINE
    assert outcome.processed.facts["Decoded"] == "1/2 of each side"
    assert (outcome.picture.rows, outcome.picture.columns) == (ROWS, COLUMNS)
    with Image.open(outcome.out / "0.jpg") as preview:
        assert preview.size == (COLUMNS // 2, ROWS // 2)


def test_its_plane_is_near_that_of_the_whole_and_never_the_same(sent, read):
    whole, half = read(sent), read(sent, reduced=True)

    assert whole.processed.pipeline == PIPELINE
    assert 0 < apart(whole, half).mean() < 0.7  # gray values of 255
    assert np.percentile(apart(whole, half), 99) <= 3


def test_what_was_sent_is_kept_whole(stored, sent, read):
    kept = read(sent, reduced=True).kept()

    assert np.array_equal(kept.pixel_array, stored)


def test_its_plane_is_made_again_as_it_was(sent, read):
    outcome = read(sent, reduced=True)

    assert rebuild_plane(outcome.source, 0, pipeline=REDUCED_PIPELINE) == outcome.plane().tobytes()
    assert rebuild_plane(outcome.source, 0) == read(sent).plane().tobytes()


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda s: (s.astype(np.int32) - 2048).astype(np.int16), id="signed"),
        pytest.param(lambda s: (s >> 4).astype(np.uint8), id="8 bits"),
        pytest.param(lambda s: s << 4, id="16 bits"),
    ],
)
def test_values_of_every_kind_keep_their_meaning(change, stored, read):
    values = change(stored)
    bits = {np.dtype(np.int16): 12, np.dtype(np.uint8): 8, np.dtype(np.uint16): 16}[values.dtype]
    low, high = int(values.min()), int(values.max())
    data = packed(values, bits=bits, window=((low + high) / 2, high - low))

    half = read(data, reduced=True)

    assert half.processed.pipeline == REDUCED_PIPELINE
    assert apart(read(data), half).mean() < 1  # the window is as narrow as it can be


@pytest.mark.parametrize(
    ("properties", "options"),
    [
        pytest.param({"syntax": JPEGLSLossless}, {}, id="another way of compressing"),
        pytest.param({"syntax": ExplicitVRLittleEndian}, {}, id="not compressed"),
        pytest.param({"padding": 0}, {}, id="values that stand for nothing"),
        pytest.param({"modality": "CT", "rescale": (1, -1024)}, {}, id="CT"),
        pytest.param({"modality": "MG"}, {}, id="another modality"),
        pytest.param({}, {"mask_text": True}, id="text is to be filled"),
    ],
)
def test_what_is_not_plainly_fit_for_it_is_read_whole(properties, options, stored, read):
    data = packed(stored, **properties)

    outcome = read(data, reduced=True, **options)

    assert outcome.processed.pipeline == PIPELINE
    assert "Decoded" not in outcome.processed.facts
    assert np.array_equal(outcome.plane(), read(data, **options).plane())


@pytest.mark.parametrize(
    ("rows", "columns", "levels"),
    [
        (2047, 2000, 0),
        (2048, 1164, 1),
        (2048, 1163, 0),
        (4095, 3000, 1),
        (4096, 3000, 2),
        (4000, 4096, 2),
        (9000, 9000, 3),
        (4097, 3000, 1),  # as Pillow rounds
        (4098, 3000, 2),
        (8193, 8193, 1),
        (8194, 8194, 2),
        (8199, 8199, 3),
    ],
)
def test_a_reduced_picture_still_fills_preview_and_plane(rows, columns, levels):
    assert _levels_of(rows, columns) == levels
    assert not levels or max(rows, columns) >= LARGE_SIDE


@pytest.mark.parametrize(("rows", "columns", "part"), [(4098, 2400, 4), (8199, 4656, 8)])
def test_the_largest_are_read_at_a_quarter_and_an_eighth(rows, columns, part, read):
    flat = np.full((rows, columns), 600, np.uint16)
    flat[rows // 4 : -rows // 4, columns // 4 : -columns // 4] = 3000

    whole, reduced = read(packed(flat)), read(packed(flat), reduced=True)

    assert reduced.processed.facts["Decoded"] == f"1/{part} of each side"
    assert apart(whole, reduced).mean() < 0.3


@pytest.mark.parametrize(("levels", "limit"), [(1, 0.3), (2, 0.6), (3, 1.0)])
def test_a_plane_of_a_reduced_picture_is_cut_out_where_that_of_the_whole_is(levels, limit):
    """Wavelets keep the first of so many pixels, not their middle: unheeded, that moves the picture."""
    rows, columns = 2048, 1600
    y, x = np.mgrid[0:rows, 0:columns]
    smooth = np.rint(127 + 60 * np.sin(x / 40) + 60 * np.cos(y / 50)).astype(np.uint8)
    kept = smooth[:: 2**levels, :: 2**levels]

    made = make_plane_of_reduced(kept, Whole(rows, columns, levels)).astype(int)

    assert np.abs(made - make_plane(smooth)).mean() < limit
    assert np.abs(make_plane(kept).astype(int) - make_plane(smooth)).mean() > limit


def test_no_letter_is_smaller_in_what_is_looked_at_than_in_the_whole_picture():
    for levels in (1, 2, 3):
        for side in range(2048, 16_000):
            whole, reduced = _scales(side, side, 0)[0][0], _scales(*[-(-side >> levels)] * 2, levels)[0][0]
            assert reduced << levels <= whole or reduced == 1


def test_a_codestream_that_says_another_depth_than_the_header_is_read_whole(stored, read):
    def deeper(made):
        made.BitsStored, made.HighBit = 14, 13

    assert read(packed(stored, change=deeper), reduced=True).processed.pipeline == PIPELINE


def test_what_cannot_be_read_reduced_is_read_whole(sent, read, monkeypatch):
    def fails(*_):
        raise Unreadable("unreadable")

    whole = read(sent)
    monkeypatch.setattr(read_dicom, "reduced_frames", fails)

    outcome = read(sent, reduced=True)

    assert outcome.processed.pipeline == PIPELINE
    assert np.array_equal(outcome.plane(), whole.plane())
    assert outcome.processed.pixels_sha256 == whole.processed.pixels_sha256


def test_a_cut_file_is_refused_either_way(sent, read):
    codes = []
    for options in ({}, {"reduced": True}):
        with pytest.raises(Unreadable) as refused:
            read(sent[: len(sent) // 2], **options)
        codes.append(refused.value.code)

    assert codes[0] == codes[1]


def test_the_same_frames_under_another_header_are_the_same_pixels(stored, sent, read):
    one, other = read(sent, reduced=True), read(packed(stored, ViewPosition="AP"), reduced=True)
    another = read(packed(large(seed=1)), reduced=True)

    assert one.processed.pixels_sha256 == other.processed.pixels_sha256 != another.processed.pixels_sha256


@pytest.mark.parametrize("height", [30, 60, 160])
def test_lettering_is_seen_in_a_reduced_picture(height, read):
    gray = phantoms.with_text(phantoms.radiograph(2600, 2400), size=height, at=(200, 200))
    data = packed(gray.astype(np.uint16) << 4)

    assert Note.TEXT_SEEN in read(data).picture.notes
    assert Note.TEXT_SEEN in read(data, reduced=True).picture.notes
