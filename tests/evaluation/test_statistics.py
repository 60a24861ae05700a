"""Intervals against tables and formulas written out; the standard library alone computes them."""

import pytest
from scipy.stats import beta

from ml.statistics import Interval, clopper_pearson, mean_of_top_tenth, wilson


def test_wilson_gives_the_published_example():
    interval = wilson(8, 10)

    assert interval.low == pytest.approx(0.490162, abs=1e-6)
    assert interval.high == pytest.approx(0.943318, abs=1e-6)


@pytest.mark.parametrize("interval", [wilson, clopper_pearson])
def test_none_and_all_reach_the_ends(interval):
    assert interval(0, 20).low == 0.0
    assert interval(20, 20).high == 1.0
    assert 0 < interval(0, 20).high < 0.2
    assert 0.8 < interval(20, 20).low < 1


@pytest.mark.parametrize(("successes", "trials"), [(1, 5), (19, 20), (75, 150), (3, 700), (300, 2000)])
def test_clopper_pearson_equals_the_quantiles_of_beta(successes: int, trials: int):
    low = beta.ppf(0.025, successes, trials - successes + 1)
    high = beta.ppf(0.975, successes + 1, trials - successes)

    assert clopper_pearson(successes, trials) == Interval(pytest.approx(low), pytest.approx(high))


def test_no_miss_in_150_still_allows_two_and_a_half_percent():
    assert clopper_pearson(0, 150).high == pytest.approx(0.0243, abs=1e-4)


@pytest.mark.parametrize("interval", [wilson, clopper_pearson])
@pytest.mark.parametrize(("successes", "trials"), [(0, 0), (3, 2), (-1, 5)])
def test_impossible_counts_are_refused(interval, successes: int, trials: int):
    with pytest.raises(ValueError, match="successes"):
        interval(successes, trials)


def test_a_series_is_summarised_by_its_top_tenth_of_at_least_three():
    assert mean_of_top_tenth([0.1, 0.9, 0.2, 0.8, 0.7]) == pytest.approx(0.8)
    assert mean_of_top_tenth([*[0.0] * 36, 0.4, 0.6, 0.8, 1.0]) == pytest.approx(0.7)


def test_one_bright_slice_does_not_decide_a_series():
    assert mean_of_top_tenth([1.0, *[0.0] * 31]) == pytest.approx(0.25)


def test_fewer_than_three_slices_are_not_assessed():
    assert mean_of_top_tenth([0.9, 0.9]) is None
