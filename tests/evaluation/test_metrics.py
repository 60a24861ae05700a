import numpy as np
import pytest

from ml.evaluation.metrics import (
    auc,
    balanced_accuracy,
    by_patient,
    calibration,
    proportion,
    threshold_for_sensitivity,
    with_interval,
)


def test_the_auc_counts_pairs_and_ties_half():
    positive = np.array([True, True, False, False])

    assert auc(positive, np.array([0.9, 0.5, 0.5, 0.1])) == pytest.approx(3.5 / 4)
    assert auc(positive, np.array([0.1, 0.2, 0.3, 0.4])) == 0.0
    assert auc(positive, np.array([0.5, 0.5, 0.5, 0.5])) == 0.5


def test_the_auc_of_one_kind_alone_is_not_a_number():
    assert np.isnan(auc(np.array([True, True]), np.array([0.1, 0.2])))


def test_the_auc_equals_counting_every_pair():
    rng = np.random.Generator(np.random.PCG64(3))
    positive, scores = rng.random(80) < 0.3, rng.integers(0, 10, 80) / 10
    pairs = [(p > n) + 0.5 * (p == n) for p in scores[positive] for n in scores[~positive]]

    assert auc(positive, scores) == pytest.approx(np.mean(pairs))


def test_a_bootstrap_draws_whole_patients():
    patients = ["a", "a", "b", "c", "c", "c"]

    for draw in by_patient(patients, seed=1, resamples=50):
        counts = np.bincount(draw, minlength=6)
        assert counts[0] == counts[1]
        assert counts[3] == counts[4] == counts[5]
        assert counts[0] + counts[2] + counts[3] == 3


def test_the_same_seed_draws_the_same_patients():
    first, again = by_patient(["a", "b", "c"], 5, 3), by_patient(["a", "b", "c"], 5, 3)

    assert all(np.array_equal(one, other) for one, other in zip(first, again, strict=True))


def test_an_interval_holds_its_value_and_never_a_number_that_json_lacks():
    draws = by_patient(["a", "b"], 0, 20)

    told = with_interval(lambda rows: float("nan"), draws, 2)

    assert told == {"value": None, "low": None, "high": None}


def test_a_proportion_comes_with_its_exact_interval():
    assert proportion(19, 20) == {"value": 0.95, "low": 0.7513, "high": 0.9987, "n": 20}
    assert proportion(0, 0) == {"value": None, "low": None, "high": None, "n": 0}


def test_the_threshold_finds_the_asked_part_of_patients_and_not_of_pictures():
    positive = np.array([True, True, True, True, False])
    scores = np.array([0.9, 0.1, 0.6, 0.4, 0.95])
    patients = ["a", "a", "b", "c", "d"]

    assert threshold_for_sensitivity(positive, scores, patients, 1.0) == 0.4
    assert threshold_for_sensitivity(positive, scores, patients, 0.6) == 0.6
    assert threshold_for_sensitivity(positive, scores, patients, 0.3) == 0.9


def test_balanced_accuracy_gives_every_label_the_same_say():
    truth, answer = np.array([0, 0, 0, 1]), np.array([0, 0, 0, 0])

    assert balanced_accuracy(truth, answer) == 0.5


def test_calibration_bins_hold_equal_numbers():
    told = calibration(np.array([False, True] * 5), np.linspace(0, 0.9, 10))

    assert [one["n"] for one in told["bins"]] == [2, 2, 2, 2, 2]
    assert told["brier"] == pytest.approx(float(np.mean((np.linspace(0, 0.9, 10) - ([0, 1] * 5)) ** 2)), abs=1e-4)
    assert "not for your site" in told["note"]
