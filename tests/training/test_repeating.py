"""The same configuration and seed give the same model, and a run that was stopped gives it too."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ml.models.bundle import WEIGHTS_FILE, read_card
from ml.models.weights import read_weights
from ml.training import finetune, linear, record
from ml.training.data import DataError
from ml.training.finetune import Steps
from tests.training.tiny import collection, run, tiny

LINEAR = tiny(None)
STEPS_OF_A_RUN = 2 * (3 + 3 + 6)  # epochs x batches of 8: of 24 pictures in either fold, of 48 in the end


class Stopped(Exception):
    """Stands for a machine that went away."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return collection(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def tuned(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was never stopped, and whose tuning was kept."""
    out = tmp_path_factory.mktemp("tuned")
    run(tiny(), data, out)
    assert (out / "tuned2.safetensors").exists()
    return out


@pytest.fixture
def steps_taken(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    taken: list[int] = []
    step = finetune._Student.step

    def counted(self: finetune._Student, *given: Any) -> float:
        taken.append(1)
        return step(self, *given)

    monkeypatch.setattr(finetune._Student, "step", counted)
    return taken


def largest_difference(one: Path, other: Path) -> float:
    first, second = (read_weights(out / "bundle" / WEIGHTS_FILE) for out in (one, other))
    assert first.keys() == second.keys()
    return max(float(np.abs(first[name] - second[name]).max()) for name in first if not name.startswith("ood/"))


def reference_difference(one: Path, other: Path) -> float:
    first, second = (read_card(out / "bundle").reference for out in (one, other))
    assert first.seeds == second.seeds
    return float(np.abs(np.array(first.scores) - np.array(second.scores)).max())


def test_a_linear_head_trained_again_equals_itself(data: Path, tmp_path: Path):
    run(LINEAR, data, tmp_path / "one")
    run(LINEAR, data, tmp_path / "two")

    assert largest_difference(tmp_path / "one", tmp_path / "two") < 1e-4
    assert reference_difference(tmp_path / "one", tmp_path / "two") < 1e-4


def test_two_epochs_of_tuning_done_again_equal_themselves(data: Path, tuned: Path, tmp_path: Path):
    run(tiny(), data, tmp_path)

    assert largest_difference(tuned, tmp_path) < 1e-3
    assert reference_difference(tuned, tmp_path) < 1e-3


def test_another_seed_gives_another_model(data: Path, tuned: Path, tmp_path: Path):
    run(tiny(seed=2), data, tmp_path)

    assert largest_difference(tuned, tmp_path) > 1e-2


def test_an_export_from_what_the_run_kept_is_the_shipped_bundle(
    data: Path, tuned: Path, tmp_path: Path, steps_taken: list[int]
):
    again = shutil.copytree(tuned, tmp_path / "again")
    shutil.rmtree(again / "bundle")

    card = run(tiny(), data, again)

    assert steps_taken == []
    assert card.model_sha256 == read_card(tuned / "bundle").model_sha256
    assert (again / "bundle" / WEIGHTS_FILE).read_bytes() == (tuned / "bundle" / WEIGHTS_FILE).read_bytes()


@pytest.mark.parametrize("epochs_before", [1, 3, 5])  # in the first fold, in the second, in the final tuning
def test_a_tuning_that_was_stopped_goes_on_after_its_last_epoch(
    epochs_before: int,
    data: Path,
    tuned: Path,
    tmp_path: Path,
    steps_taken: list[int],
    monkeypatch: pytest.MonkeyPatch,
):
    saved = []
    save = finetune.save_state

    def stopping(path: Path, epoch: int, variables: Sequence[Any]) -> None:
        save(path, epoch, variables)
        saved.append(epoch)
        if len(saved) == epochs_before:
            raise Stopped

    monkeypatch.setattr(finetune, "save_state", stopping)
    with pytest.raises(Stopped):
        run(tiny(), data, tmp_path)
    before = len(steps_taken)

    run(tiny(), data, tmp_path)

    assert len(saved) == 6  # two epochs of two folds and of the final tuning, none of them twice
    assert before < len(steps_taken) == STEPS_OF_A_RUN
    assert largest_difference(tuned, tmp_path) < 1e-6
    assert not list(tmp_path.glob("*.state*"))


def test_features_go_on_with_the_pass_that_is_missing(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    passes = []
    extract = linear.extract_all

    def stopping(*given: Any) -> Any:
        passes.append(1)
        if len(passes) == 2:
            raise Stopped
        return extract(*given)

    monkeypatch.setattr(linear, "extract_all", stopping)
    with pytest.raises(Stopped):
        run(LINEAR, data, tmp_path)
    run(LINEAR, data, tmp_path)

    assert len(passes) == 3  # the clean pass once, the degraded one twice
    assert np.load(tmp_path / "features.npy").shape[0] == 2


@pytest.mark.parametrize("changes", [{"seed": 2}, {"input_side": 48}, {"steps": Steps(epochs=3)}, {"folds": 3}])
def test_the_folder_of_another_run_is_refused_and_left_as_it_is(
    data: Path, tuned: Path, tmp_path: Path, changes: dict[str, Any]
):
    folder = shutil.copytree(tuned, tmp_path / "run")
    before = (folder / "run.json").read_bytes()

    with pytest.raises(DataError) as refused:
        run(tiny(**changes), data, folder)

    assert refused.value.code == "other_run"
    assert (folder / "run.json").read_bytes() == before


@pytest.mark.parametrize("name", ["features.key", "views.key", "tuned.key"])
def test_leftovers_of_which_nothing_was_written_down_are_refused(data: Path, tuned: Path, tmp_path: Path, name: str):
    folder = shutil.copytree(tuned, tmp_path / "run")
    (folder / name).unlink()

    with pytest.raises(DataError) as refused:
        run(tiny(), data, folder)

    assert refused.value.code == "other_run"


def test_other_pictures_in_the_same_folder_are_refused(tuned: Path, tmp_path: Path):
    (tmp_path / "data").mkdir()
    folder = shutil.copytree(tuned, tmp_path / "run")

    with pytest.raises(DataError) as refused:
        run(tiny(), collection(tmp_path / "data", count=48), folder)

    assert refused.value.code == "other_run"


def test_a_corrected_title_needs_no_new_run(data: Path, tuned: Path, tmp_path: Path, steps_taken: list[int]):
    folder = shutil.copytree(tuned, tmp_path / "run")

    assert run(tiny(title="Another"), data, folder).title == "Another"
    assert steps_taken == []


def test_a_model_that_a_gpu_had_a_part_in_says_that_it_was_not_rebuilt(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    assert not any("GPU" in limit for limit in run(LINEAR, data, tmp_path / "processor").limits)
    with monkeypatch.context() as patch:
        patch.setattr(record, "devices", lambda: ["x86_64", "/physical_device:GPU:0"])
        run(LINEAR, data, tmp_path / "gpu")

    card = run(LINEAR, data, tmp_path / "gpu")  # gone on with, on a processor

    assert [limit for limit in card.limits if limit.startswith("Trained on a GPU (/physical_device:GPU:0)")]


def test_the_run_folder_holds_what_is_needed_to_repeat_it(data: Path, tmp_path: Path):
    config = tmp_path / "told.toml"
    config.write_text('slug = "x"\n')

    card = run(LINEAR, data, tmp_path / "run", config)
    run(LINEAR, data, tmp_path / "run", config)

    told = json.loads((tmp_path / "run" / "run.json").read_text())
    assert (tmp_path / "run" / "config.toml").read_bytes() == config.read_bytes()
    assert told["seed"] == told["configuration"]["seed"] == 1
    assert told["configuration"]["data"] == {"layout": "manifest"}
    assert told["data"]["sha256"] == card.training_data["data_sha256"]
    assert len(told["base"]["trunk_sha256"]) == 64
    assert len(told["starts"]) == 2
    assert {"python", "keras", "numpy"} <= told["starts"][0]["versions"].keys()
    assert "revision" in told["starts"][0]
