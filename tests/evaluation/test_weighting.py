"""Weighted figures against scikit-learn, and on a simulated site whose truth is known."""

import random
from statistics import fmean, stdev

import numpy as np
import pytest
from sklearn.metrics import recall_score, roc_auc_score, roc_curve

from ml.weighting import (
    Case,
    auc,
    auc_of,
    by_patient,
    roc,
    sensitivity,
    sensitivity_of,
    specificity,
    specificity_of,
    weights_of,
)

POINT, SAMPLED = 0.6, 0.25  # flagged is a score from here on; the part of the rest that is read
SEEDS, STUDIES = 60, 20_000  # many: a share of two weighted sums is unbiased for many studies only


def cases_of(seed: int, number: int = 300, *, ties: bool = False) -> list[Case]:
    dice = random.Random(seed)
    cases = []
    for place in range(number):
        present = dice.random() < 0.3
        score = dice.betavariate(4, 2) if present else dice.betavariate(2, 4)
        score = round(score, 1) if ties else score
        cases.append(
            Case(
                patient=place // 2,
                present=present,
                flagged=score >= POINT,
                score=score,
                weight=dice.choice([1.0, 10.0, 12.5]),
            )
        )
    return cases


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_weighted_shares_and_area_are_those_of_scikit_learn(seed, ties):
    cases = cases_of(seed, ties=ties)
    truth, said = [one.present for one in cases], [one.flagged for one in cases]
    scores, weights = [one.score for one in cases], weights_of(cases)

    assert sensitivity_of(cases)(weights) == pytest.approx(recall_score(truth, said, sample_weight=weights), abs=1e-9)
    assert specificity_of(cases)(weights) == pytest.approx(
        recall_score(truth, said, pos_label=False, sample_weight=weights), abs=1e-9
    )
    assert auc_of(cases)(weights) == pytest.approx(roc_auc_score(truth, scores, sample_weight=weights), abs=1e-9)


@pytest.mark.parametrize("ties", [False, True])
def test_the_weighted_roc_is_that_of_scikit_learn(ties):
    cases = cases_of(3, ties=ties)
    false, true, points = roc_curve(
        [one.present for one in cases],
        [one.score for one in cases],
        sample_weight=weights_of(cases),
        drop_intermediate=False,
    )

    ours = roc(cases)

    assert [one.threshold for one in ours] == pytest.approx(list(points[1:]), abs=1e-12)  # theirs begins at infinity
    assert [one.sensitivity for one in ours] == pytest.approx(list(true[1:]), abs=1e-9)
    assert [one.false_flags for one in ours] == pytest.approx(list(false[1:]), abs=1e-9)


def test_a_seed_gives_the_same_interval_again_and_another_seed_another():
    cases = cases_of(1)

    assert sensitivity(cases, seed=4, draws=200) == sensitivity(cases, seed=4, draws=200)
    assert sensitivity(cases, seed=4, draws=200) != sensitivity(cases, seed=5, draws=200)


def test_pictures_of_one_patient_are_no_more_witnesses_than_the_patient():
    """Ten copies of every case, under the same patient: the interval does not shrink."""
    alone = [Case(patient=n, present=True, flagged=n % 3 != 0) for n in range(40)]
    copied = [case for case in alone for _ in range(10)]
    told, told_copied = (sensitivity(cases, seed=2, draws=500) for cases in (alone, copied))

    assert told_copied.value == pytest.approx(told.value)
    assert told_copied.interval.low == pytest.approx(told.interval.low)
    assert told_copied.interval.high == pytest.approx(told.interval.high)


def test_where_every_case_was_flagged_no_interval_claims_that_none_is_missed():
    cases = [Case(patient=f"f{n}", present=True, flagged=True, score=0.9, weight=1) for n in range(40)]

    estimate = sensitivity(cases, seed=1)

    assert (estimate.value, estimate.interval) == (1.0, None)


def test_no_miss_in_150_sampled_still_allows_some():
    found = [Case(patient=f"f{n}", present=n < 40, flagged=True) for n in range(60)]
    sampled = [Case(patient=f"s{n}", present=False, flagged=False, weight=10) for n in range(150)]

    estimate = sensitivity([*found, *sampled], seed=1, draws=200)

    assert estimate.value == 1
    assert estimate.interval.high == 1
    # 2.43 % of the 1,500 that the sample stands for may hold it: 36.5 beside the 40 that were found.
    assert estimate.interval.low == pytest.approx(40 / (40 + 0.02430 * 1500), abs=1e-3)


def test_no_false_flag_seen_still_allows_some():
    found = [Case(patient=f"f{n}", present=True, flagged=True) for n in range(30)]
    sampled = [Case(patient=f"s{n}", present=n == 0, flagged=False, weight=10) for n in range(100)]

    estimate = specificity([*found, *sampled], seed=1, draws=200)

    assert estimate.value == 1
    assert 0.99 < estimate.interval.low < 1


def test_what_has_no_cases_is_not_estimated():
    absent = [Case(patient=n, present=False, flagged=False, score=0.1) for n in range(5)]

    assert sensitivity([], seed=1) is None
    assert sensitivity(absent, seed=1) is None
    assert auc(absent, seed=1) is None
    assert roc(absent) == []
    assert by_patient([1, 2], [1, 1], lambda _: None, seed=1, draws=10) is None


def simulated(seed: int, studies: int) -> tuple[dict[str, float], list[Case]]:
    """A site with every truth known, and what its readers decide: all that is flagged, and a quarter of the rest."""
    dice = np.random.default_rng(seed)
    present = dice.random(studies) < 0.1
    scores = np.where(present, dice.beta(4, 2.5, studies), dice.beta(2, 4, studies))
    flagged = scores >= POINT
    truth = {
        "sensitivity": flagged[present].mean(),
        "specificity": 1 - flagged[~present].mean(),
        "auc": roc_auc_score(present, scores),
    }
    decided = np.flatnonzero(flagged | (dice.random(studies) < SAMPLED))
    return truth, [
        Case(
            patient=int(place),
            present=bool(present[place]),
            flagged=bool(flagged[place]),
            score=float(scores[place]),
            weight=1 if flagged[place] else 1 / SAMPLED,
        )
        for place in decided
    ]


def figures(cases: list[Case], weights: list[float]) -> dict[str, float]:
    made = {"sensitivity": sensitivity_of, "specificity": specificity_of, "auc": auc_of}
    return {name: statistic(cases)(weights) for name, statistic in made.items()}


def test_weighted_figures_of_a_simulated_site_meet_its_truth_and_counted_ones_do_not():
    off = {"weighted": [], "counted": []}
    for seed in range(SEEDS):
        truth, decided = simulated(seed, STUDIES)
        for way, weights in (("weighted", weights_of(decided)), ("counted", [1.0] * len(decided))):
            told = figures(decided, weights)
            off[way].append({name: told[name] - truth[name] for name in truth})

    for name in ("sensitivity", "specificity", "auc"):
        weighted = [one[name] for one in off["weighted"]]
        counted = [one[name] for one in off["counted"]]
        # Three figures, each within three standard errors of the mean over the seeds, which are the first there
        # are: at two a lot in seven would fail by chance. Counted, they are far off.
        assert abs(fmean(weighted)) < 3 * stdev(weighted) / SEEDS**0.5, name
        assert abs(fmean(counted)) > 4 * stdev(counted) / SEEDS**0.5, name


def test_intervals_of_a_simulated_site_hold_its_truth_about_as_often_as_they_say():
    held = 0
    for seed in range(40):
        _, decided = simulated(1000 + seed, 3000)
        interval = sensitivity(decided, seed=seed, draws=200).interval
        held += interval.low <= 0.5558 <= interval.high  # of infinitely many studies: P(beta(4, 2.5) >= 0.6)

    assert held >= 34
