import numpy as np
import pytest

from ml.evaluation.alterations import ALTERATIONS, BORDER, FIELD
from ml.evaluation.field import central_field


def plane() -> np.ndarray:
    return np.random.Generator(np.random.PCG64(1)).integers(0, 256, (512, 512)).astype(np.uint8)


def test_the_central_field_covers_58_percent_and_is_the_same_on_both_sides():
    field = central_field(512)

    assert field.mean() == pytest.approx(0.58, abs=0.001)
    assert np.array_equal(field, field[:, ::-1])
    assert np.array_equal(field, field[::-1])
    assert not field[:20].any()
    assert not field[:, :15].any()


@pytest.mark.parametrize("side", [1, 7, 224])
def test_the_field_is_told_at_any_size(side: int):
    assert central_field(side).shape == (side, side)


def test_nothing_of_the_lungs_remains_without_lungs():
    first, second = plane(), plane()
    second[FIELD] = 255 - second[FIELD]

    assert np.array_equal(ALTERATIONS["no_lungs"](first, 0), ALTERATIONS["no_lungs"](second, 0))
    assert np.array_equal(ALTERATIONS["no_lungs"](first, 0)[~FIELD], first[~FIELD])


@pytest.mark.parametrize(("name", "kept"), [("lungs_only", FIELD), ("border_only", BORDER)])
def test_nothing_but_what_is_kept_remains(name: str, kept: np.ndarray):
    first, second = plane(), plane()
    second[~kept] = 255 - second[~kept]

    assert np.array_equal(ALTERATIONS[name](first, 0), ALTERATIONS[name](second, 0))
    assert np.array_equal(ALTERATIONS[name](first, 0)[kept], first[kept])


def test_the_border_is_12_percent_of_each_side():
    assert BORDER[:61].all()
    assert not BORDER[61:-61, 61:-61].any()


def test_shuffled_blocks_hold_the_same_pixels_in_an_order_of_their_seed():
    shuffle, whole = ALTERATIONS["blocks_shuffled"], plane()

    once = shuffle(whole, 5)

    assert not np.array_equal(once, whole)
    assert np.array_equal(np.sort(once, axis=None), np.sort(whole, axis=None))
    assert np.array_equal(once, shuffle(whole, 5))
    assert not np.array_equal(once, shuffle(whole, 6))


def test_a_thumbnail_has_64_cells_of_their_mean():
    small = ALTERATIONS["thumbnail_8x8"](plane(), 0)

    assert np.array_equal(small, np.repeat(np.repeat(small[::64, ::64], 64, 0), 64, 1))
    assert small[0, 0] == round(float(plane()[:64, :64].mean()))


@pytest.mark.parametrize("name", ALTERATIONS)
def test_an_alteration_leaves_the_plane_it_was_given_as_it_is(name: str):
    given = plane()

    made = ALTERATIONS[name](given, 3)

    assert np.array_equal(given, plane())
    assert (made.shape, made.dtype) == ((512, 512), np.uint8)
