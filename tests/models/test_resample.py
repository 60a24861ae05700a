import numpy as np
import pytest

from ml.models.resample import resampling_matrix


@pytest.mark.parametrize("target", [224, 256, 512, 600])
def test_every_pixel_is_a_weighted_mean(target: int):
    matrix = resampling_matrix(512, target)

    assert matrix.shape == (target, 512)
    assert (matrix >= 0).all()
    assert matrix.sum(axis=1) == pytest.approx(np.ones(target), abs=1e-6)


def test_the_same_size_changes_nothing():
    assert np.array_equal(resampling_matrix(8, 8), np.eye(8, dtype=np.float32))


def test_shrinking_keeps_a_ramp_a_ramp():
    ramp = np.arange(512, dtype=np.float32)

    small = resampling_matrix(512, 256) @ ramp

    assert small[5:-5] == pytest.approx(np.arange(256)[5:-5] * 2 + 0.5, abs=1e-3)


def test_shrinking_smooths_what_it_cannot_show():
    stripes = np.tile([0.0, 255.0], 256).astype(np.float32)

    small = resampling_matrix(512, 224) @ stripes

    assert np.abs(small[1:-1] - 127.5).max() < 8  # the outermost have neighbours on one side only
