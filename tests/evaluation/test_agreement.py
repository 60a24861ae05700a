"""Agreement against statsmodels, scikit-learn and a published example; our side uses the standard library alone."""

import random

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import cohens_kappa

from ml.agreement import cohen_kappa, kappa_value, raw_share, specific_share, tally

TABLES = [
    [[20, 5], [10, 15]],
    [[88, 14], [10, 20]],
    [[3, 40], [1, 56]],
    [[44, 5, 1], [7, 20, 3], [9, 5, 6]],
    [[10, 0, 2, 1], [3, 12, 0, 0], [0, 4, 9, 2], [1, 1, 1, 30]],
]


@pytest.mark.parametrize("table", TABLES)
def test_kappa_and_its_interval_are_those_of_statsmodels(table):
    ours, theirs = cohen_kappa(table), cohens_kappa(np.array(table))

    assert ours.value == pytest.approx(theirs.kappa, abs=1e-9)
    assert ours.low == pytest.approx(max(-1, theirs.kappa_low), abs=1e-9)
    assert ours.high == pytest.approx(min(1, theirs.kappa_upp), abs=1e-9)


def test_kappa_gives_the_published_example():
    """Fleiss, Levin and Paik, Statistical Methods for Rates and Proportions, table 18.1: 0.68 with se 0.087."""
    table = [[75, 1, 4], [5, 4, 1], [0, 0, 10]]

    kappa = cohen_kappa(table)

    assert kappa.value == pytest.approx(0.6765, abs=1e-4)
    assert (kappa.high - kappa.low) / (2 * 1.959964) == pytest.approx(0.0877, abs=1e-4)


def test_kappa_of_weighted_cases_is_that_of_scikit_learn():
    dice = random.Random(7)
    first = [dice.choice("pau") for _ in range(200)]
    second = [one if dice.random() < 0.6 else dice.choice("pau") for one in first]
    weights = [dice.uniform(0.5, 20) for _ in first]
    table = [[0.0] * 3 for _ in range(3)]
    for one, two, weight in zip(first, second, weights, strict=True):
        table["pau".index(one)]["pau".index(two)] += weight

    assert kappa_value(table) == pytest.approx(
        cohen_kappa_score(first, second, labels=list("pau"), sample_weight=weights), abs=1e-9
    )


def test_agreement_is_told_raw_and_for_each_answer():
    table = tally([("p", "p")] * 20 + [("p", "a")] * 5 + [("a", "p")] * 10 + [("a", "a")] * 15, "pa")

    assert table == [[20, 5], [10, 15]]
    assert raw_share(table) == pytest.approx(35 / 50)
    assert specific_share(table, 0) == pytest.approx(40 / 55)
    assert specific_share(table, 1) == pytest.approx(30 / 45)


@pytest.mark.parametrize(("each", "least"), [(1, -0.69), (5, 0.38), (200, 0.98)])
def test_two_who_never_differed_are_not_told_to_agree_for_certain(each, least):
    kappa = cohen_kappa([[each, 0], [0, each]])

    assert (kappa.value, kappa.high) == (1.0, 1.0)
    assert kappa.low == pytest.approx(least, abs=0.01)


@pytest.mark.parametrize("table", [[[0, 0], [0, 0]], [[5, 3], [0, 0]], [[5, 0], [3, 0]], [[8, 0], [0, 0]]])
def test_a_judge_who_always_says_the_same_has_no_kappa(table):
    assert cohen_kappa(table) is None
    assert kappa_value(table) is None


def test_shares_of_nothing_are_not_told():
    assert raw_share([[0, 0], [0, 0]]) is None
    assert specific_share([[0, 0], [0, 9]], 0) is None
