import numpy as np
import pytest

from ml.images.gray import LUNG, Lut, Window, apply_window, look_up, percentile_range, scale, to_bytes


def test_linear_window_has_the_half_unit_offsets_of_the_standard():
    window = Window(center=2048, width=4096)

    shown = apply_window(np.array([0, 1, 2047, 2048, 4095]), window)

    assert shown.tolist() == pytest.approx([0, 1 / 4095, 2047 / 4095, 2048 / 4095, 1], abs=1e-12)


def test_lung_window_shows_its_edges_black_and_white():
    assert apply_window(np.array([-2000, -1350, 149, 3000]), LUNG).tolist() == [0, 0, 1, 1]


def test_linear_exact_window_has_no_offsets():
    window = Window(center=100, width=200, function="LINEAR_EXACT")

    assert apply_window(np.array([-1, 0, 50, 100, 200, 201]), window).tolist() == [0, 0, 0.25, 0.5, 1, 1]


def test_sigmoid_window_is_half_at_its_centre_and_never_overflows():
    window = Window(center=40, width=400, function="SIGMOID")

    shown = apply_window(np.array([-1e9, -60, 40, 140, 1e9]), window)

    expected = [0, 1 / (1 + np.e), 0.5, 1 / (1 + 1 / np.e), 1]
    assert shown.tolist() == pytest.approx(expected, abs=1e-12)


def test_window_of_width_one_is_a_step():
    assert apply_window(np.array([9, 10, 11]), Window(center=10, width=1)).tolist() == [0, 1, 1]
    assert apply_window(np.array([9, 9.5, 10]), Window(center=10, width=1)).tolist() == [0, 0, 1]


@pytest.mark.parametrize(
    ("width", "function", "usable"),
    [
        (1, "LINEAR", True),
        (0.99, "LINEAR", False),
        (0, "LINEAR_EXACT", False),
        (0.5, "LINEAR_EXACT", True),
        (0.5, "SIGMOID", True),
        (-5, "SIGMOID", False),
        (float("nan"), "LINEAR", False),
        (float("inf"), "LINEAR", False),
    ],
)
def test_window_is_usable_only_where_the_standard_defines_it(width, function, usable):
    window = Window(center=10, width=width, function=function)

    assert window.usable is usable
    if not usable:
        with pytest.raises(ValueError, match="forbids"):
            apply_window(np.zeros(1), window)


def test_values_outside_a_table_take_its_first_or_last_entry():
    lut = Lut(first=-2, bits=12, entries=np.array([0, 10, 4095], np.uint16))

    assert look_up(np.array([-9, -2, -1, 0, 70000]), lut).tolist() == [0, 0, 10, 4095, 4095]
    assert lut.largest == 4095


def test_percentiles_of_a_histogram_are_those_of_its_pixels():
    pixels = np.random.default_rng(3).integers(0, 500, 5000)
    counts = np.bincount(pixels, minlength=600)

    assert percentile_range(np.arange(600), counts) == percentile_range(pixels)


def test_percentiles_leave_out_one_percent_on_each_side():
    assert percentile_range(np.arange(1000)) == (9.0, 989.0)


def test_percentiles_of_a_falling_transform_are_in_rising_order():
    counts = np.array([0, 5, 5, 0])

    assert percentile_range(np.array([30.0, 20.0, 10.0, 0.0]), counts) == (10.0, 20.0)


def test_range_without_length_is_a_step():
    assert scale(np.array([4, 5, 6]), 5, 5).tolist() == [0, 0, 1]


def test_gray_values_round_half_up_and_are_clipped():
    assert to_bytes(np.array([-1, 0, 0.5 / 255, 0.5, 1, 7])).tolist() == [0, 0, 1, 128, 255, 255]
