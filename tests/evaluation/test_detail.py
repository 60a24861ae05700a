from dataclasses import replace

import numpy as np
import pytest

from ml.evaluation.detail import detailed, false_flags, four
from ml.evaluation.difference import paired
from ml.training.data import DataError
from tests.training.test_data import crowd, example

NAMES = ("covid", "normal")


def scored(seed: int = 0, skill: float = 2.0, count: int = 120) -> tuple[list, np.ndarray]:
    examples = crowd(count)
    rng = np.random.Generator(np.random.PCG64(seed))
    logit = rng.normal(0, 1, count) + skill * np.array([one.label == "covid" for one in examples])
    covid = 1 / (1 + np.exp(-logit))
    return examples, np.stack([covid, 1 - covid], axis=1)


def test_the_four_figures_of_a_small_table():
    positive = np.array([True, True, True, False, False])
    called = np.array([True, True, False, True, False])

    assert four(positive, called) == {
        "sensitivity": pytest.approx(2 / 3),
        "specificity": 0.5,
        "precision": pytest.approx(2 / 3),
        "f1": pytest.approx(2 / 3),
    }


def test_what_cannot_be_divided_is_not_a_number():
    told = four(np.array([False, False]), np.array([False, False]))

    assert told["specificity"] == 1.0
    assert all(np.isnan(told[name]) for name in ("sensitivity", "precision", "f1"))


def test_every_label_view_and_sublabel_is_told_with_an_interval():
    examples, scores = scored()
    examples = [replace(one, view="PA" if n % 4 else "AP") for n, one in enumerate(examples)]

    told = detailed(examples, NAMES, scores, {"covid": 0.5})

    for name in NAMES:
        for figure in ("sensitivity", "specificity", "precision", "f1"):
            one = told["by_label"][name][figure]
            assert 0 < one["low"] <= one["value"] <= one["high"] <= 1
    assert set(told["views"]) == {"AP, covid", "AP, normal", "PA, covid", "PA, normal"}
    assert sum(one["flagged_covid"]["n"] for one in told["views"].values()) == 120
    assert set(told["sublabels"]) == {"unknown, covid", "unknown, normal"}
    assert told["average_precision"]["covid"]["guessing"] == pytest.approx(1 / 3, abs=1e-4)


def test_no_error_among_few_patients_is_not_called_certain():
    examples = [example(n, label="covid" if n < 4 else "normal") for n in range(10)]
    scores = np.array([[0.9, 0.1]] * 4 + [[0.1, 0.9]] * 6)

    told = detailed(examples, NAMES, scores, {"covid": 0.5})["by_label"]["covid"]

    assert told["sensitivity"] == {"value": 1.0, "low": pytest.approx(0.3976, abs=1e-4), "high": 1.0}
    assert told["specificity"] == {"value": 1.0, "low": pytest.approx(0.5407, abs=1e-4), "high": 1.0}


def test_false_flags_are_counted_by_source_and_their_scores_are_spread_out():
    examples = [example(0, label="covid"), example(1, label="normal"), example(2, label="normal", source="b")]
    scores = np.array([[0.9, 0.1], [0.52, 0.48], [0.06, 0.94]])

    told = false_flags(examples, NAMES, scores, "covid", 0.5)

    assert {key: one["value"] for key, one in told["flagged"].items()} == {"a, normal": 1.0, "b, normal": 0.0}
    assert (told["pictures_with"][18], told["pictures_without"][10], told["pictures_without"][1]) == (1, 1, 1)
    assert sum(told["pictures_with"]) + sum(told["pictures_without"]) == 3


def test_a_model_does_not_differ_from_itself():
    examples, scores = scored()

    told = paired(examples, NAMES, scores, scores, ("covid",))

    assert told["auc_covid"] == {"value": 0.0, "low": 0.0, "high": 0.0, "excludes_zero": False}


def test_a_better_model_is_told_from_a_worse_one():
    examples, good = scored(seed=1, skill=4.0, count=300)
    _, bad = scored(seed=2, skill=0.5, count=300)

    forward = paired(examples, NAMES, good, bad, ("covid",))
    back = paired(examples, NAMES, bad, good, ("covid",))

    for name in ("balanced_accuracy", "auc_covid"):
        assert forward[name]["excludes_zero"]
        assert forward[name]["low"] > 0
        assert back[name]["value"] == pytest.approx(-forward[name]["value"])


def test_pairing_makes_the_interval_of_two_like_models_narrow():
    examples, scores = scored(count=300)
    nudged = scores + np.array([[1e-3, -1e-3]])

    told = paired(examples, NAMES, scores, nudged, ("covid",))

    assert told["auc_covid"]["high"] - told["auc_covid"]["low"] < 0.01


def test_models_without_a_common_picture_are_not_compared():
    with pytest.raises(DataError) as refused:
        paired([], NAMES, np.empty((0, 2)), np.empty((0, 2)), ("covid",))

    assert refused.value.code == "nothing_to_compare"


def test_models_are_also_compared_within_each_source_that_has_two_labels():
    examples, good = scored(seed=1, skill=4.0, count=300)
    _, bad = scored(seed=2, skill=0.5, count=300)

    told = paired(examples, NAMES, good, bad, ("covid",))

    within = {name: one for name, one in told.items() if name.startswith("auc_covid / normal, ")}
    assert set(within) == {f"auc_covid / normal, {source}" for source in {example.source for example in examples}}
    assert all(one["low"] > 0 and one["excludes_zero"] for one in within.values())


def test_a_source_with_one_label_is_not_compared_within():
    examples, scores = scored(count=60)
    alone = [replace(example, source="alone") if example.label == "covid" else example for example in examples]

    told = paired(alone, NAMES, scores, scores, ("covid",))

    assert not [name for name in told if name.endswith(", alone")]
