"""A planted shortcut must be called one, and a sign where lungs are must not."""

import json
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest

from ml.cli import main
from ml.evaluation.alterations import ALTERATIONS
from ml.evaluation.shortcut_card import FOUND, examine_bundle
from ml.evaluation.shortcuts import CANNOT_TELL, LIKELY, NOT_FOUND, verdict_of, worst
from ml.evaluation.source_probe import source_probe
from ml.models.bundle import load_bundle, read_card
from ml.models.card import Card
from ml.models.verify import verify
from ml.training.data import DataError
from ml.training.splits import grouped_folds
from tests.evaluation.drawn import centre, corner, draw, small, trained
from tests.shipped import bundle_of
from tests.training.test_data import crowd


@pytest.fixture(scope="module", params=[corner, centre], ids=["corner", "centre"])
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path, Path, Card]:
    data, out = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("run")
    draw(data, request.param, count=128)
    before = trained(small(), data, out)
    return request.param.__name__, data, out / "bundle", before


def test_a_planted_corner_marker_is_called_a_likely_shortcut_and_a_central_sign_is_not(
    case: tuple[str, Path, Path, Card],
):
    name, data, folder, before = case

    card = examine_bundle(folder, data)

    assert card.shortcut["verdict"] == {"corner": LIKELY, "centre": NOT_FOUND}[name]
    assert any(limit.startswith(FOUND) for limit in card.limits) == (name == "corner")
    auc = card.shortcut["labels"]["covid"]["auc"]
    assert set(auc) == set(ALTERATIONS)
    assert auc["original"]["retrained"]["value"] > 0.85
    assert (auc["no_lungs"]["retrained"]["value"] > 0.85) == (name == "corner")
    assert (auc["lungs_only"]["retrained"]["value"] > 0.85) == (name == "centre")
    assert card.model_sha256 == before.model_sha256
    assert card.evaluations == {"val": 0, "external": 0}
    verify(load_bundle(folder))


def test_testing_again_replaces_what_was_found_and_prints_it(
    case: tuple[str, Path, Path, Card], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    _, data, folder, _ = case
    examine_bundle(folder, data)
    before = read_card(folder)

    status = main(["shortcut", str(folder), "--data", str(data), "--out", str(tmp_path / "told.json")])

    assert status == 0
    assert read_card(folder) == before
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((tmp_path / "told.json").read_text())
    assert printed["verdict"] == before.shortcut["verdict"]


def test_a_tuned_trunk_is_not_tested_on_pictures_it_knows_by_heart(tmp_path: Path):
    folder = copytree(bundle_of("ct-covid"), tmp_path / "bundle")
    before = (folder / "card.json").read_text()

    with pytest.raises(DataError) as refused:
        examine_bundle(folder, tmp_path)

    assert refused.value.code == "trunk_has_seen"
    assert (folder / "card.json").read_text() == before


def figure(value: float, low: float | None = None) -> dict[str, float | None]:
    return {"value": value, "low": value - 0.02 if low is None else low, "high": value}


@pytest.mark.parametrize(
    ("original", "drop", "verdict"),
    [(0.95, 0.03, LIKELY), (0.95, -0.1, LIKELY), (0.95, 0.031, NOT_FOUND), (0.51, 0.0, CANNOT_TELL)],
)
def test_the_rule_allows_a_drop_of_three_hundredths(original: float, drop: float, verdict: str):
    assert verdict_of(figure(original), figure(drop)) == verdict


def test_one_label_with_a_shortcut_is_enough():
    assert worst([NOT_FOUND, LIKELY, CANNOT_TELL]) == LIKELY
    assert worst([NOT_FOUND, CANNOT_TELL]) == CANNOT_TELL


def test_the_probe_names_the_source_where_features_tell_it_and_guesses_where_they_do_not():
    examples = crowd(300)
    fold = grouped_folds(examples, 5, 1)
    features = np.random.Generator(np.random.PCG64(0)).normal(0, 1, (300, 8)).astype(np.float32)
    blind = source_probe(features, examples, fold, 0.01)
    features[:, 0] += 8.0 * np.array([one.source == "a" for one in examples])

    told = source_probe(features, examples, fold, 0.01)

    assert set(told) == {"all", "covid", "normal"}
    assert all(one["balanced_accuracy"]["value"] > 0.95 for one in told.values())
    assert all(one["balanced_accuracy"]["value"] < 0.65 for one in blind.values())
    assert told["all"]["guessing"] == 0.5


def test_a_source_of_few_pictures_is_not_asked_for():
    examples = crowd(60)
    few = [one for one in examples if one.source == "a" or one.label == "covid"]

    told = source_probe(np.zeros((len(few), 4), np.float32), few, grouped_folds(few, 2, 1), 0.01)

    assert told == {}
