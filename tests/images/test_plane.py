import hashlib
import os
from pathlib import Path

import numpy as np
import pytest

from ml.images.plane import make_plane, plane_of_picture
from ml.images.read import rebuild_plane
from tests import phantoms

REAL = os.environ.get("SCREENING_TEST_DATA", "")


def test_plane_is_a_square_whatever_the_shape_of_the_picture():
    for shape in ((1, 1), (1, 900), (700, 3), (400, 300)):
        plane = make_plane(np.full(shape, 77, np.uint8))

        assert plane.shape == (512, 512)
        assert plane.dtype == np.uint8
        assert (plane == 77).all()


def test_nothing_of_the_outer_six_percent_reaches_the_plane():
    picture = np.full((200, 100), 60, np.uint8)
    marked = picture.copy()
    marked[:12] = marked[-12:] = 255
    marked[:, :6] = marked[:, -6:] = 255

    assert np.array_equal(make_plane(marked), make_plane(picture))

    marked[12, 50] = 255
    assert not np.array_equal(make_plane(marked), make_plane(picture))


def test_fine_detail_is_averaged_not_picked():
    stripes = np.zeros((4096, 4096), np.uint8)
    stripes[:, ::2] = 200

    plane = make_plane(stripes)

    assert plane.min() >= 98
    assert plane.max() <= 102


def test_floating_and_eight_bit_gray_values_give_the_same_plane_but_for_rounding():
    gray = phantoms.radiograph(300, 280)

    eight = make_plane(gray).astype(int)
    floating = make_plane(gray.astype(np.float32) / 255).astype(int)

    assert np.abs(eight - floating).max() <= 1


def test_picture_is_left_as_it_was():
    gray = phantoms.radiograph()
    before = gray.copy()

    make_plane(gray)

    assert np.array_equal(gray, before)


@pytest.mark.parametrize(
    "wrong",
    [np.zeros((0, 5), np.uint8), np.zeros(5, np.uint8), np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4))],
)
def test_what_is_no_gray_picture_is_refused(wrong):
    with pytest.raises(ValueError, match="a plane is made of"):
        make_plane(wrong)


def test_pipeline_still_makes_the_plane_it_is_named_for():
    """If this fails on purpose, raise `ml.vocabulary.PIPELINE`: stored scores belong to other planes."""
    y, x = np.mgrid[0:300, 0:260]
    drawn = ((x * y + 3 * x) % 251).astype(np.uint8)

    digest = hashlib.sha256(make_plane(drawn).tobytes()).hexdigest()

    assert digest == "2c375f562a327bbd5c6a2cce5f1b55cf5799c7789683e8e0d634484efac00e99"


@pytest.mark.parametrize("kind", ["gray", "gray16", "rgb", "rgba", "palette", "gray_alpha", "bilevel"])
def test_training_and_serving_make_the_same_plane_of_a_png(kind, tmp_path, read):
    path = tmp_path / "picture.png"
    path.write_bytes(phantoms.png_file(kind=kind))

    outcome = read(path.read_bytes())

    assert np.array_equal(outcome.plane(), plane_of_picture(path))
    assert rebuild_plane(outcome.source, 0) == outcome.plane().tobytes()


@pytest.mark.parametrize("kind", ["gray", "rgb", "cmyk"])
@pytest.mark.parametrize("orientation", [1, 2, 3, 4, 5, 6, 7, 8])
def test_training_and_serving_make_the_same_plane_of_a_jpeg(kind, orientation, tmp_path, read):
    path = tmp_path / "picture.jpg"
    path.write_bytes(phantoms.jpeg_file(kind=kind, orientation=orientation))

    outcome = read(path.read_bytes())

    assert np.array_equal(outcome.plane(), plane_of_picture(path))
    assert rebuild_plane(outcome.source, 0) == outcome.plane().tobytes()


def test_same_picture_has_the_same_plane_as_png_and_as_dicom(read):
    gray = phantoms.radiograph()

    plain, dicom = read(phantoms.png_file(gray)), read(phantoms.dicom_file(gray))

    assert np.array_equal(plain.plane(), dicom.plane())


@pytest.mark.skipif(not REAL, reason="SCREENING_TEST_DATA does not name a folder of real pictures")
def test_every_real_sample_is_read_and_its_plane_can_be_made_again(read):
    samples = sorted((Path(REAL) / "samples").iterdir())
    assert samples

    for path in samples:
        outcome = read(path.read_bytes())

        assert outcome.picture.not_assessed is None
        assert np.array_equal(outcome.plane(), plane_of_picture(path))
        assert rebuild_plane(outcome.source, 0) == outcome.plane().tobytes()
