"""What a model is worth on sources, labels and folds that it was not made for."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ml.cli import main
from ml.evaluation import leave_out
from ml.evaluation.kfold import folds_that_ignore_patients, kfold
from ml.evaluation.leave_out import SECTION, figures_of, leave_one_source_out, linear_scores
from ml.evaluation.limits import NEVER_SEEN, NEVER_SEEN_TUNED
from ml.evaluation.populations import shared_label
from ml.evaluation.shortcut_card import Again, examine_bundle
from ml.models.bundle import read_card
from ml.training import tuned
from ml.training.data import DataError
from ml.training.finetune import Steps
from tests.evaluation.drawn import CONFIGS, centre, corner, draw, small, trained
from tests.training.test_data import crowd, write_manifest


def features_that_tell(examples: list, of_source: float, of_label: float) -> np.ndarray:
    rng = np.random.Generator(np.random.PCG64(4))
    features = rng.normal(0, 1, (2, len(examples), 12)).astype(np.float32)
    features[:, :, 0] += of_label * np.array([one.label == "covid" for one in examples])
    features[:, :, 1] += of_source * np.array([one.source == "a" for one in examples])
    return features


def test_a_sign_of_the_disease_works_in_a_source_that_was_never_seen():
    examples = crowd(300)

    without = linear_scores(small(), examples, features_that_tell(examples, 3.0, 6.0), 1.0)
    told = figures_of(small(), examples, without)

    for source in ("a", "b"):
        assert told["sources"][source]["auc_between"]["covid / normal"]["low"] > 0.9
    assert told["mean_auc_covid"] > 0.95


def test_a_source_is_never_scored_by_a_head_that_saw_it():
    examples = crowd(300)
    passes = features_that_tell(examples, 0.0, 0.0)
    place = np.array([one.source == "a" for one in examples])
    passes[:, place, 2] += 9.0 * np.array([one.label == "covid" for one in examples])[place]  # a sign in a alone

    told = figures_of(small(), examples, linear_scores(small(), examples, passes, 1.0))

    assert told["sources"]["b"]["auc_between"]["covid / normal"]["value"] < 0.65
    assert told["sources"]["a"]["auc_between"]["covid / normal"]["value"] < 0.9


def test_a_source_without_which_a_label_cannot_be_learned_says_so():
    examples = [replace(one, source="a" if one.label == "covid" else one.source) for one in crowd(120)]

    told = figures_of(small(), examples, lambda _: np.full((40, 2), 0.5))

    assert told["sources"]["a"] == {"not_tested": "without it only 0 pictures of covid are left to learn from"}
    assert "mean_auc_covid" not in told


def test_what_is_found_without_a_source_or_with_a_tuned_trunk_gets_onto_the_card_and_leaves_the_model_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(leave_out, "FEWEST", 5)
    draw(tmp_path, centre, count=64)
    levels = "efficientnetlite0+levels14"
    before = trained(small(input_side=64, architecture=levels), tmp_path, tmp_path / "run")
    bundle, run = tmp_path / "run" / "bundle", tmp_path / "run"
    training = small(input_side=64, architecture=levels, fine_tune=Steps(epochs=1, batch=8, first_block=14))

    linear = leave_one_source_out(training, tmp_path, run, bundle=bundle)
    again = leave_one_source_out(training, tmp_path, run, bundle=bundle, tuned=True)
    say_it_was_tuned(bundle)
    tested = examine_bundle(bundle, tmp_path, Again(training, run, folds=1))

    card = read_card(bundle)
    assert card.metrics[SECTION] == linear
    assert card.metrics[f"{SECTION}_tuned"] == again
    assert set(linear["sources"]) == set(again["sources"]) == {"a", "b"}
    assert linear["how"] != again["how"]
    for start in (NEVER_SEEN, NEVER_SEEN_TUNED):
        assert sum(limit.startswith(start) for limit in card.limits) == 2
    assert tested.shortcut == card.shortcut
    assert "tuned again for each fold, as the model was" in card.shortcut["method"]
    assert (card.shortcut["folds_held_out"], card.shortcut["pictures"]) == ("1 of 2", 24)
    assert card.model_sha256 == before.model_sha256


def test_the_trunks_that_a_training_tuned_without_each_fold_are_those_that_the_shortcut_test_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    draw(tmp_path, centre, count=64)
    levels, run = "efficientnetlite0+levels14", tmp_path / "run"
    steps = Steps(epochs=1, batch=8, first_block=14)
    training = small(input_side=64, architecture=levels, fine_tune=steps, seed=2)
    trained(training, tmp_path, run)
    say_it_was_tuned(run / "bundle")
    monkeypatch.setattr(tuned, "tune", lambda *_: pytest.fail("tuned again"))

    card = examine_bundle(run / "bundle", tmp_path, Again(training, run, folds=None))

    assert (card.shortcut["folds_held_out"], card.shortcut["pictures"]) == ("2 of 2", 48)
    other = replace(training, folds=3)
    with pytest.raises(DataError, match="other") as refused:
        examine_bundle(run / "bundle", tmp_path, Again(other, run, folds=None))
    assert refused.value.code == "other_run"


def say_it_was_tuned(bundle: Path) -> None:
    card = json.loads((bundle / "card.json").read_text())
    card["training_data"]["how"]["steps"] = {"epochs": 1}
    (bundle / "card.json").write_text(json.dumps(card))


def test_figures_of_another_configuration_do_not_get_onto_a_card(xray_folder: Path, tmp_path: Path):
    before = (xray_folder / "card.json").read_text()

    with pytest.raises(DataError) as refused:
        leave_one_source_out(small(), tmp_path, tmp_path, bundle=xray_folder)

    assert refused.value.code == "other_configuration"
    assert (xray_folder / "card.json").read_text() == before


@pytest.fixture(scope="module")
def halves(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Path]]:
    """Three labels, the first with a corner marker; a model for each pair with it."""
    data = tmp_path_factory.mktemp("data")
    draw(data, corner, labels=("covid", "normal", "pneumonia"), count=72)
    folders = []
    for other in ("normal", "pneumonia"):
        out = tmp_path_factory.mktemp(other)
        trained(small(f"xray-covid-{other}", input_side=64), data, out)
        folders.append(out / "bundle")
    return data, folders


def test_each_model_is_shown_what_only_the_other_knows(
    halves: tuple[Path, list[Path]], capsys: pytest.CaptureFixture[str]
):
    data, folders = halves
    command = ["cross-population", *map(str, folders), "--data", str(data), "--split", "val"]

    assert main(command) == 0

    told = json.loads(capsys.readouterr().out)
    assert told["called"] == "covid"
    for folder, foreign in zip(folders, ("pneumonia", "normal"), strict=True):
        row = told["models"][read_card(folder).name]
        assert set(row) == {foreign}
        share, refused = row[foreign]["called"], row[foreign]["not_assessed"]
        assert share["n"] + refused == 6
        assert sum(one["called"]["n"] for one in row[foreign]["sources"].values()) == share["n"]
        assert read_card(folder).evaluations == {"val": 0, "external": 0, "cross_population_val": 1}
    assert main(command) == 1
    assert main([*command, "--again"]) == 0
    assert read_card(folders[0]).evaluations["cross_population_val"] == 2


def test_training_pictures_are_not_crossed(halves: tuple[Path, list[Path]], capsys: pytest.CaptureFixture[str]):
    data, folders = halves
    before = [(folder / "card.json").read_text() for folder in folders]

    assert main(["cross-population", *map(str, folders), "--data", str(data), "--split", "train"]) == 1

    assert capsys.readouterr().err.splitlines()[-1].startswith("training_pictures: ")
    assert [(folder / "card.json").read_text() for folder in folders] == before


def test_models_of_the_same_labels_have_nothing_to_cross(xray_folder: Path):
    card = read_card(xray_folder)

    with pytest.raises(DataError) as refused:
        shared_label([card, card])

    assert refused.value.code == "nothing_to_cross"


def test_folds_that_ignore_patients_tear_them_and_balance_labels():
    examples = crowd(120)

    fold = folds_that_ignore_patients(examples, 5, 1)

    assert np.bincount(fold).tolist() == [24] * 5
    sides = {(one.patient, number) for one, number in zip(examples, fold.tolist(), strict=True)}
    assert len(sides) > len({one.patient for one in examples})


def test_grouped_folds_of_one_family_stand_beside_a_figure_marked_as_not_comparable(tmp_path: Path):
    drawn = draw(tmp_path, centre, count=96)
    write_manifest(
        tmp_path, [replace(one, source=f"fam/{one.source}" if n < 72 else "else") for n, one in enumerate(drawn)]
    )

    told = kfold(small(), tmp_path, tmp_path / "out", "fam/", 3, (1, 2))

    assert sum(told["labels"].values()) == 72
    assert [len(folds) for folds in told["grouped"]["accuracy"]["folds"]] == [3, 3]
    flat = np.concatenate(told["grouped"]["accuracy"]["folds"])
    assert told["grouped"]["accuracy"]["mean"] == pytest.approx(flat.mean(), abs=1e-3)
    assert told["grouped"]["accuracy"]["standard_deviation"] == pytest.approx(flat.std(ddof=1), abs=1e-3)
    assert "not comparable" in told["by_picture"]["note"]


def test_a_family_of_one_label_is_refused(tmp_path: Path):
    write_manifest(tmp_path, [replace(one, label="covid") for one in crowd(6)])

    with pytest.raises(DataError) as refused:
        kfold(small(), tmp_path, tmp_path / "out", "a", 2, (1,))

    assert refused.value.code == "no_examples"


@pytest.mark.parametrize("name", ["xray-covid-normal", "xray-covid-pneumonia"])
def test_the_two_halves_share_trunk_and_settings(name: str):
    one = small(name)

    assert one.labels == ("covid", name.rpartition("-")[2])
    assert (CONFIGS / f"{name}.toml").read_text().count("cross-population") >= 1
