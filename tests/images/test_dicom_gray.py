"""Exact gray values: a ramp of stored values goes in, and what comes out is counted by hand."""

import numpy as np
import pytest
from pydicom import Dataset
from pydicom.uid import ExplicitVRBigEndian

from ml.images.dicom_gray import shown
from ml.images.layout import layout_of
from ml.images.read import Limits
from ml.vocabulary import Note
from tests import phantoms

RAMP8 = np.arange(256, dtype=np.uint8).reshape(16, 16)
RAMP12 = np.arange(4096, dtype=np.uint16).reshape(64, 64)


def gray_of(stored, **properties):
    made = phantoms.dicom(stored, **properties)
    layout = layout_of(made, made.file_meta.TransferSyntaxUID, Limits())
    return shown(stored, made, layout)


def test_window_over_the_whole_range_changes_nothing():
    look = gray_of(RAMP8, window=(128, 256))

    assert np.array_equal(look.gray, RAMP8)
    assert (look.notes, look.window) == ((), "centre 128 width 256 LINEAR")


@pytest.mark.parametrize(
    ("function", "expected"),
    # stored 1024, 2048, 3071 through centre 2048, width 2048
    [
        ("LINEAR", [0, 128, 255]),
        ("LINEAR_EXACT", [0, 128, 255]),
        ("SIGMOID", [30, 128, 225]),
        ("NOT A FUNCTION", [0, 128, 255]),
    ],
)
def test_window_function_is_the_one_named(function, expected):
    look = gray_of(RAMP12, bits=12, window=(2048, 2048), function=function)

    assert look.gray.ravel()[[1024, 2048, 3071]].tolist() == expected


def test_rescale_comes_before_the_window():
    look = gray_of(RAMP8, rescale=(2, -100), window=(155, 511))

    # 2 * 0 - 100 is the left edge of the window, 2 * 255 - 100 = 410 its right edge
    assert look.gray.ravel()[[0, 1, 128, 254, 255]].tolist() == [0, 1, 128, 254, 255]


def test_modality_table_comes_before_the_window():
    table = [value * 16 for value in range(256)]

    look = gray_of(RAMP8, modality_lut=(0, 12, table), window=(2040.5, 4081))

    assert np.array_equal(look.gray, RAMP8)


def test_voi_table_wins_over_the_window_and_is_scaled_by_its_nominal_range():
    # A table of 12 bits whose largest entry is 2047: half gray, not white.
    table = [min(value * 16, 2047) for value in range(256)]

    look = gray_of(RAMP8, voi_lut=(0, 12, table), window=(1, 2))

    assert look.window == "VOI LUT"
    assert look.gray.max() == round(2047 / 4095 * 255)
    assert look.gray.ravel()[64] == 64


def test_voi_table_may_begin_below_zero():
    stored = np.arange(-128, 128, dtype=np.int16).reshape(16, 16)

    look = gray_of(stored, voi_lut=(-128, 8, list(range(256))))

    assert look.gray.ravel()[[0, 1, 128, 255]].tolist() == [0, 1, 128, 255]


def test_table_that_contradicts_itself_is_left_out():
    def shorten(made: Dataset) -> None:
        made.VOILUTSequence[0].LUTDescriptor = [300, 0, 8]

    look = gray_of(RAMP8, voi_lut=(0, 8, list(range(256))), window=(128, 256), change=shorten)

    assert look.window == "centre 128 width 256 LINEAR"


def test_first_of_several_windows_counts():
    def second(made: Dataset) -> None:
        made.WindowCenter, made.WindowWidth = [128, 40], [256, 400]

    assert np.array_equal(gray_of(RAMP8, change=second).gray, RAMP8)


@pytest.mark.parametrize("width", [0, 0.5, -3])
def test_width_below_one_is_ignored_and_the_guess_is_noted(width):
    look = gray_of(RAMP12, bits=12, window=(2048, width))

    assert look.notes == (Note.WINDOW_GUESSED,)
    assert look.window == "40..4055"


@pytest.mark.parametrize(
    ("photometric", "shape", "inverted"),
    [
        ("MONOCHROME2", None, False),
        ("MONOCHROME2", "IDENTITY", False),
        ("MONOCHROME1", None, True),
        ("MONOCHROME2", "INVERSE", True),
        ("MONOCHROME1", "INVERSE", True),
    ],
)
def test_picture_is_inverted_once_and_never_twice(photometric, shape, inverted):
    look = gray_of(RAMP8, photometric=photometric, shape=shape)

    assert np.array_equal(look.gray, 255 - RAMP8 if inverted else RAMP8)


def test_no_window_scales_by_percentiles_without_the_padding():
    padded = RAMP12.copy()
    padded[:32] = 4000
    without = gray_of(RAMP12[32:], bits=12, window=None)

    look = gray_of(padded, bits=12, window=None, padding=4000)

    real = (padded != 4000).nonzero()
    assert look.window == without.window == "2068..4075"
    assert (look.gray[:32] == 0).all()
    assert np.array_equal(look.gray[real], without.gray[RAMP12[32:] != 4000])


def test_padding_is_black_after_inversion_too():
    look = gray_of(RAMP8, photometric="MONOCHROME1", padding=10)

    assert look.gray.ravel()[[9, 10, 11]].tolist() == [246, 0, 244]


@pytest.mark.parametrize(("value", "limit"), [(0, 9), (9, 0)])
def test_padding_range_is_inclusive_whichever_end_comes_first(value, limit):
    look = gray_of(RAMP8, photometric="MONOCHROME1", padding=value, padding_limit=limit)

    assert look.gray.ravel()[[0, 9, 10]].tolist() == [0, 0, 245]


def test_padding_written_unsigned_is_found_in_signed_pixels():
    def unsigned(made: Dataset) -> None:
        made.add_new("PixelPaddingValue", "US", 63536)  # -2000 in two's complement

    stored = np.array([[-2000, -600], [149, -1350]], np.int16)

    look = gray_of(stored, modality="CT", rescale=(1, 1000), window=None, change=unsigned)

    assert look.gray[0, 0] == 0


def test_hounsfield_units_ignore_window_and_polarity_of_the_header():
    stored = np.array([[-2000, -1350, -600, 149, 3000]], np.int16)

    for photometric in ("MONOCHROME1", "MONOCHROME2"):
        look = gray_of(stored, modality="CT", rescale=(1, 0), window=(40, 400), photometric=photometric)

        assert look.gray.tolist() == [[0, 0, 128, 255, 255]]
        assert (look.notes, look.window) == ((), "centre -600 width 1500 LINEAR")


def test_hounsfield_padding_is_black():
    stored = np.array([[3000, 100, -600]], np.int16)

    look = gray_of(stored, modality="CT", rescale=(1, 0), padding=3000)

    assert look.gray.tolist() == [[0, 247, 128]]


@pytest.mark.parametrize("properties", [{}, {"rescale": (1, -1024), "RescaleType": "US"}])
def test_ct_without_hounsfield_units_is_shown_by_percentiles_and_noted(properties):
    look = gray_of(RAMP12, modality="CT", bits=12, window=None, **properties)

    assert look.notes == (Note.WINDOW_UNKNOWN,)


def test_thirty_two_bits_are_shown_as_sixteen_are():
    wide = gray_of(RAMP12.astype(np.uint32), window=(2048, 4096))

    assert np.array_equal(wide.gray, gray_of(RAMP12, window=(2048, 4096)).gray)


def test_bytes_of_a_big_endian_table_are_read_in_their_order():
    def as_bytes(made: Dataset) -> None:
        entries = np.arange(0, 4096, 16, dtype=">u2")
        made.VOILUTSequence[0].add_new("LUTData", "OW", entries.tobytes())

    look = gray_of(RAMP8, voi_lut=(0, 12, [0] * 256), syntax=ExplicitVRBigEndian, change=as_bytes)

    assert look.gray.ravel()[[0, 64, 255]].tolist() == [0, 64, 254]


def test_frame_of_an_enhanced_ct_uses_its_own_functional_groups(read):
    frames = np.stack([phantoms.axial_slice(64, seed) for seed in range(3)])

    def own_slope(made: Dataset) -> None:
        group = Dataset()
        group.RescaleSlope, group.RescaleIntercept, group.RescaleType = 1, 400, "HU"
        made.PerFrameFunctionalGroupsSequence[2].PixelValueTransformationSequence = [group]

    made = phantoms.enhanced_ct(frames)
    own_slope(made)
    outcome = read(phantoms.file_of(made))

    assert [picture.position for picture in outcome.processed.pictures] == [0, 5, 10]
    assert [picture.view for picture in outcome.processed.pictures] == ["axial"] * 3
    same, brighter = (outcome.plane(frame).mean() for frame in (1, 2))
    assert brighter - same > 20
