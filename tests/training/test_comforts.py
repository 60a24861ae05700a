"""Bars, curves, precision and the early stop."""

import io
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from rich.console import Console

from ml.models.architectures import architecture_named
from ml.models.base import base_weights
from ml.models.bundle import read_card
from ml.models.precision import computing_in
from ml.training import finetune
from ml.training.board import Board
from ml.training.finetune import Lesson, Steps, fine_tune
from ml.training.head import Head
from ml.training.precision import policy
from ml.training.progress import shown
from ml.training.tuned import settled_epochs
from tests.training.test_data import example
from tests.training.tiny import collection, run, tiny


def console(*, terminal: bool) -> tuple[Console, io.StringIO]:
    file = io.StringIO()
    return Console(file=file, force_terminal=terminal, width=80), file


def test_a_bar_is_drawn_on_a_terminal():
    told, file = console(terminal=True)

    assert list(shown(iter("abc"), "features", 3, told)) == ["a", "b", "c"]
    assert "features" in file.getvalue()


def test_nothing_is_drawn_elsewhere():
    told, file = console(terminal=False)

    assert list(shown(iter("abc"), "features", 3, told)) == ["a", "b", "c"]
    assert file.getvalue() == ""


def points(folder: Path) -> dict[tuple[str, int], float]:
    """Read what TensorBoard would: curve and step to value."""
    events = [
        tf.compat.v1.Event.FromString(record.numpy())
        for file in sorted(folder.glob("events.*"))
        for record in tf.data.TFRecordDataset(str(file))
    ]
    return {
        (value.tag, event.step): float(tf.make_ndarray(value.tensor))
        for event in events
        for value in event.summary.value
        if value.metadata.plugin_data.plugin_name == "scalars"
    }


def test_curves_are_written_as_tensorboard_reads_them(tmp_path: Path):
    board = Board(tmp_path)

    board.note("fold0", 1, training_loss=0.5, macro_auc=0.75)
    board.note("fold0", 2, training_loss=0.25)

    assert points(tmp_path / "fold0") == {
        ("training_loss", 1): 0.5,
        ("macro_auc", 1): 0.75,
        ("training_loss", 2): 0.25,
    }


@pytest.mark.parametrize(
    ("reached", "patience", "epochs"),
    [
        ([0.5, 0.9, 0.8, 0.7], 0, 4),  # fixed beforehand
        ([0.5, 0.9, 0.8, 0.7], 2, 2),
        ([0.5, 0.9, 0.8, 0.95], 2, 4),  # better in time
        ([0.5, 0.9, 0.8, 0.8, 0.95], 2, 2),  # better too late
        ([0.9, 0.9], 1, 1),  # as good is not better
    ],
)
def test_the_number_of_epochs_is_settled_out_of_fold(reached: list[float], patience: int, epochs: int):
    assert settled_epochs(reached, patience) == epochs


def test_an_early_stop_stands_on_the_card_and_in_the_curves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "data").mkdir()
    monkeypatch.setattr("ml.training.tuned.settled_epochs", lambda reached, patience: 1 if patience == 1 else 99)
    steps = Steps(epochs=2, batch=8, first_block=1, patience=1)

    run(tiny(steps), collection(tmp_path / "data"), tmp_path / "run")

    how = read_card(tmp_path / "run" / "bundle").training_data["how"]
    assert how["epochs"] == 1
    assert "patience 1" in how["epochs_settled"]
    assert {step for _, step in points(tmp_path / "run" / "board" / "final")} == {1}
    assert {step for _, step in points(tmp_path / "run" / "board" / "fold0")} == {1, 2}
    assert {tag for tag, _ in points(tmp_path / "run" / "board" / "out_of_fold")} == {"macro_auc"}


def test_precision_is_mixed_only_where_hardware_has_it_or_it_is_asked_for(monkeypatch: pytest.MonkeyPatch):
    for has, wanted in ((False, "float32"), (True, "mixed_bfloat16")):
        monkeypatch.setattr("ml.training.precision.gpu_has_bf16", lambda has=has: has)
        assert policy("auto") == wanted
        assert (policy("on"), policy("off")) == ("mixed_bfloat16", "float32")


def test_a_policy_holds_only_within():
    before = keras.config.dtype_policy().name

    with computing_in("mixed_bfloat16"):
        assert keras.config.dtype_policy().name == "mixed_bfloat16"

    assert keras.config.dtype_policy().name == before


def test_mixed_precision_computes_in_halves_and_keeps_weights_in_single(monkeypatch: pytest.MonkeyPatch):
    made = []
    student = finetune._Student

    def remembered(lesson: Lesson, steps: Steps) -> finetune._Student:
        made.append(student(lesson, steps))
        return made[0]

    monkeypatch.setattr(finetune, "_Student", remembered)
    architecture = architecture_named("smallcnn+pool2+dense16")
    rng = np.random.Generator(np.random.PCG64(1))
    shape = architecture.build_front(32, 1).output_shape[1:]
    lesson = Lesson(
        architecture=architecture,
        side=32,
        trunk=base_weights(Path("none"), architecture.name, 32),
        head=Head(np.zeros((16, 2)), np.zeros(2)),
        views=[rng.random((16, *shape)).astype(np.float16) for _ in range(2)],
        places=np.arange(16),
        examples=[example(number, label="covid" if number % 2 else "normal") for number in range(16)],
        names=("covid", "normal"),
    )

    trunk, head = fine_tune(lesson, Steps(epochs=1, batch=8, first_block=1, mixed_precision="on"), 1, lambda *_: None)

    layers = [layer for layer in made[0]._rear.layers if layer.weights]
    assert {layer.compute_dtype for layer in layers} == {"bfloat16"}
    assert {weight.dtype for layer in layers for weight in layer.weights} == {"float32"}
    assert all(np.isfinite(array).all() for array in trunk.values())
    assert np.abs(head.kernel).max() > 0


@pytest.mark.parametrize("wrong", [{"patience": -1}, {"mixed_precision": "half"}])
def test_steps_that_mean_nothing_are_refused(wrong: dict[str, object]):
    with pytest.raises(ValueError, match="patience is 0 or more"):
        Steps(**wrong)
