import numpy as np
import pytest

from ml.explain.overlay import overlay

GRAY = np.full((100, 80), 90, np.uint8)


def test_no_heat_leaves_the_picture_gray():
    picture = overlay(GRAY, np.zeros((7, 7), np.float32))

    assert picture.shape == (100, 80, 3)
    assert (picture == 90).all()


def test_heat_colours_its_place_and_no_other():
    heat = np.zeros((10, 10), np.float32)
    heat[:2, :2] = 1.0

    picture = overlay(GRAY, heat, border=0.0)

    assert picture[5, 5, 0] > picture[5, 5, 2] + 40
    assert (picture[60:, 50:] == 90).all()


def test_what_the_model_never_saw_has_no_heat():
    picture = overlay(GRAY, np.ones((7, 7), np.float32))

    assert (picture[:6] == 90).all()
    assert (picture[:, -5:] == 90).all()
    assert not (picture[6:94, 5:75] == 90).all(axis=2).any()


def test_the_same_input_gives_the_same_pixels_and_is_not_changed():
    heat = np.random.Generator(np.random.PCG64(0)).random((7, 7)).astype(np.float32)
    gray, before = GRAY.copy(), heat.copy()

    assert np.array_equal(overlay(gray, heat), overlay(gray, heat))

    assert np.array_equal(gray, GRAY)
    assert np.array_equal(heat, before)


@pytest.mark.parametrize(
    ("gray", "heat"),
    [
        (GRAY.astype(np.float32), np.zeros((7, 7), np.float32)),
        (GRAY[None], np.zeros((7, 7), np.float32)),
        (GRAY, np.full((7, 7), 1.5, np.float32)),
        (GRAY, np.full((7, 7), np.nan, np.float32)),
        (GRAY, np.zeros(7, np.float32)),
    ],
    ids=["float", "three axes", "above 1", "nan", "one axis"],
)
def test_what_is_no_picture_or_no_heat_is_refused(gray: np.ndarray, heat: np.ndarray):
    with pytest.raises(ValueError, match=r"heat is|picture is"):
        overlay(gray, heat)
