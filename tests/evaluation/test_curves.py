import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from ml.evaluation.curves import average_precision, precision_recall_points, roc_points, thinned
from ml.evaluation.metrics import auc


def drawn(ties: int = 10) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.Generator(np.random.PCG64(7))
    return rng.random(90) < 0.3, rng.integers(0, ties, 90) / ties


@pytest.mark.parametrize("ties", [2, 10, 100000])
def test_the_area_under_the_roc_points_is_the_auc(ties: int):
    positive, scores = drawn(ties)

    points = roc_points(positive, scores)

    assert points[0].tolist() == [0, 0]
    assert points[-1].tolist() == [1, 1]
    assert np.trapezoid(points[:, 1], points[:, 0]) == pytest.approx(auc(positive, scores))


@pytest.mark.parametrize("ties", [2, 10, 100000])
def test_average_precision_equals_another_implementation(ties: int):
    positive, scores = drawn(ties)

    assert average_precision(positive, scores) == pytest.approx(average_precision_score(positive, scores))


def test_precision_and_recall_of_a_small_example():
    points = precision_recall_points(np.array([True, False, True]), np.array([0.9, 0.8, 0.7]))

    assert points.tolist() == [[0.5, 1.0], [0.5, 0.5], [1.0, pytest.approx(2 / 3)]]


def test_one_kind_alone_has_no_curve():
    ones = np.array([True, True])

    assert roc_points(ones, np.array([0.1, 0.2])).shape == (0, 2)
    assert precision_recall_points(~ones, np.array([0.1, 0.2])).shape == (0, 2)
    assert np.isnan(average_precision(~ones, np.array([0.1, 0.2])))
    assert roc_points(np.empty(0, bool), np.empty(0)).shape == (0, 2)


def test_a_long_curve_is_thinned_and_keeps_its_ends():
    points = np.stack([np.linspace(0, 1, 5000)] * 2, axis=1)

    short = thinned(points, most=50)

    assert len(short) == 50
    assert (short[0], short[-1]) == ([0.0, 0.0], [1.0, 1.0])
