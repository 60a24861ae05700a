"""The whole way from a manifest to a bundle to its figures, on drawn pictures."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ml.cli import main
from ml.evaluation.evaluate import evaluate
from ml.models.bundle import load_bundle, read_card
from ml.models.reference import reference_plane
from ml.models.verify import verify
from ml.training import export
from ml.training.config import Training, read_training
from ml.training.data import DataError
from ml.training.finetune import Steps
from ml.training.run import train
from ml.vocabulary import Modality
from tests.environment import ROOT
from tests.shipped import bundle_of
from tests.training.test_data import example, write_manifest

CONFIG = ROOT / "ml" / "training" / "configs" / "ct-covid.toml"
BASE = bundle_of("xray-covid-3class")


def draw_collection(folder: Path) -> None:
    """Two sources of slices; covid ones carry a bright patch. Every patient has two pictures."""
    examples = []
    for number in range(60):
        is_covid = number // 2 % 2 == 0
        gray = reference_plane(number, Modality.CT)[::4, ::4].copy()
        if is_covid:
            gray[40:80, 20:50] = np.maximum(gray[40:80, 20:50], 230)
        Image.fromarray(gray).save(folder / f"{number}.png")
        split = "train" if number < 44 else "val"
        label, source = ("covid" if is_covid else "non_covid"), ("a" if number % 8 < 4 else "b")
        examples.append(
            example(
                number,
                path=Path(f"{number}.png"),
                modality="ct",
                label=label,
                source=source,
                patient=f"p{number // 2}",
                split=split,
                width=128,
                height=128,
            )
        )
    write_manifest(folder, examples)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    draw_collection(folder)
    return folder


@pytest.fixture(scope="module")
def training() -> Training:
    steps = Steps(epochs=1, batch=8, first_block=14)
    return replace(read_training(CONFIG), base=BASE, input_side=64, folds=2, passes=1, directions=6, fine_tune=steps)


@pytest.fixture(scope="module")
def bundle(data: Path, training: Training, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export, "CANDIDATES", 32)
        patch.setattr(export, "ROUNDS", 1)
        train(training, data, out)
    return out / "bundle"


def test_training_leaves_a_bundle_that_reproduces_itself(bundle: Path, training: Training):
    verify(load_bundle(bundle))

    card = read_card(bundle)
    assert card.name == f"ct-covid@{training.version}"
    assert card.evaluations == {"val": 0, "external": 0}
    assert card.training_data["pictures"] == {"a": {"covid": 12, "non_covid": 12}, "b": {"covid": 10, "non_covid": 10}}
    assert "macro_auc_out_of_fold_by_epoch" in card.training_data["how"]
    assert 0 < card.operating_points["covid"].value < 1


def test_a_patch_that_gives_the_label_away_is_learned(bundle: Path):
    auc = read_card(bundle).metrics["out_of_fold"]["auc"]["covid"]

    assert auc["value"] > 0.9
    assert auc["low"] <= auc["value"] <= auc["high"]


def test_training_again_gives_the_same_head(data: Path, training: Training, bundle: Path, tmp_path: Path):
    linear = replace(training, fine_tune=None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export, "CANDIDATES", 32)
        patch.setattr(export, "ROUNDS", 1)
        first, second = train(linear, data, tmp_path / "one"), train(linear, data, tmp_path / "two")

    assert first.operating_points["covid"].value == pytest.approx(second.operating_points["covid"].value, abs=1e-4)
    difference = np.array(first.reference.scores) - np.array(second.reference.scores)
    assert np.abs(difference).max() < 1e-4


def test_training_pictures_are_refused_by_evaluate(bundle: Path, data: Path):
    before = (bundle / "card.json").read_text()

    with pytest.raises(DataError) as refused:
        evaluate(bundle, data, "train")

    assert refused.value.code == "training_pictures"
    assert (bundle / "card.json").read_text() == before


def test_a_reading_is_counted_and_a_second_one_must_be_asked_for(bundle: Path, data: Path):
    before = read_card(bundle)

    card = evaluate(bundle, data, "val")

    assert card.evaluations["val"] == 1
    assert card.metrics["val"]["pictures"] + card.metrics["val"]["not_assessed"] == 16
    assert card.model_sha256 == before.model_sha256
    with pytest.raises(DataError) as refused:
        evaluate(bundle, data, "val")
    assert refused.value.code == "read_before"
    assert read_card(bundle).evaluations["val"] == 1
    assert evaluate(bundle, data, "val", again=True).evaluations["val"] == 2


def test_a_split_without_pictures_is_refused_and_not_counted(bundle: Path, data: Path):
    with pytest.raises(DataError) as refused:
        evaluate(bundle, data, "external")

    assert refused.value.code == "no_examples"
    assert read_card(bundle).evaluations["external"] == 0


def test_the_commands_score_a_folder_and_count_what_they_could_not_read(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    Image.fromarray(reference_plane(1, Modality.CT)).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"no picture")

    status = main(["score", str(tmp_path), "--bundle", str(bundle)])

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert status == 1
    assert [line["path"] for line in lines] == ["a.png", "b.png"]
    assert lines[0]["outcome"] in ("scored", "inconclusive")
    assert (lines[1]["outcome"], lines[1]["code"]) == ("rejected", "not_an_image_file")


def test_the_commands_verify_a_bundle(bundle: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["verify", str(bundle)]) == 0
    assert json.loads(capsys.readouterr().out)["verified"] is True


def test_an_expected_failure_is_a_sentence_with_a_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["verify", str(tmp_path)]) == 1

    assert capsys.readouterr().err.splitlines()[-1].startswith("card_missing: ")
