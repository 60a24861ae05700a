from pathlib import Path

import numpy as np
from PIL import Image

from ml.images.plane import plane_of_picture
from ml.models.reference import reference_plane
from ml.training.augment import Degradation, degraded_plane, generator_for
from ml.training.features import clean_planes, degraded_planes
from ml.vocabulary import Modality
from tests.training.test_data import example

GRAY = reference_plane(3, Modality.XRAY)[:400, :300]
NOTHING = Degradation(crop=0.0, side=(400, 400), jpeg=(95, 95), gamma=0.0, mirrored=0.0)


def test_training_sees_the_plane_that_the_service_makes(tmp_path: Path):
    Image.fromarray(GRAY).save(tmp_path / "a.png")

    [plane] = clean_planes([example(1, path=tmp_path / "a.png")])

    assert np.array_equal(plane, plane_of_picture(tmp_path / "a.png"))


def test_the_same_seed_degrades_a_picture_the_same_way(tmp_path: Path):
    Image.fromarray(GRAY).save(tmp_path / "a.png")
    examples = [example(1, path=tmp_path / "a.png"), example(2, path=tmp_path / "a.png")]

    first, second = degraded_planes(examples, Degradation(), 1, 0)

    assert np.array_equal(first, next(degraded_planes(examples, Degradation(), 1, 0)))
    assert np.array_equal(second, next(degraded_planes(examples[1:], Degradation(), 1, 0)))  # whatever the order
    assert not np.array_equal(first, second)
    assert not np.array_equal(first, next(degraded_planes(examples, Degradation(), 1, 1)))
    assert not np.array_equal(first, next(degraded_planes(examples, Degradation(), 2, 0)))


def test_a_degradation_of_nothing_leaves_the_picture_nearly_as_it_was(tmp_path: Path):
    Image.fromarray(GRAY).save(tmp_path / "a.png")

    plane = degraded_plane(GRAY, NOTHING, generator_for(0))

    assert np.abs(plane.astype(int) - plane_of_picture(tmp_path / "a.png")).mean() < 4


def test_mirroring_exchanges_left_and_right():
    mirrored = Degradation(crop=0.0, side=(400, 400), jpeg=(95, 95), gamma=0.0, mirrored=1.0)

    plane = degraded_plane(GRAY, NOTHING, generator_for(0)).astype(int)
    other = degraded_plane(GRAY, mirrored, generator_for(0)).astype(int)

    assert np.abs(plane - other[:, ::-1]).mean() < 4
    assert np.abs(plane - other).mean() > 10


def test_degrading_leaves_the_picture_itself_alone():
    before = GRAY.copy()

    degraded_plane(GRAY, Degradation(rotation=8.0), generator_for(0))

    assert np.array_equal(GRAY, before)
