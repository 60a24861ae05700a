"""Every architecture, from 64 drawn pictures through one epoch to a verified bundle and a score."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from PIL import Image

from ml.explain.explainer import explain_all
from ml.inference import Scorer
from ml.models import reference
from ml.models.architectures import FAMILIES, architecture_named
from ml.models.base import base_weights
from ml.models.bundle import load_bundle, read_card
from ml.models.card import BundleError, OperatingPoint
from ml.models.reference import reference_plane
from ml.models.verify import verify
from ml.models.weights import Weights
from ml.training import export
from ml.training.config import Training, read_training
from ml.training.data import DataError, Example, choose, read_manifest
from ml.training.export import write_bundle
from ml.training.features import clean_planes
from ml.training.finetune import Lesson, Steps, fine_tune
from ml.training.head import Head
from ml.training.linear import features_of, train_linear
from ml.training.trained import Trained
from ml.training.views import views_of
from ml.vocabulary import Modality
from screening.results.services import register_model
from tests.environment import ROOT
from tests.training.test_data import example, write_manifest
from workers.engine import _load_explainer, _load_scorer

CONFIG = ROOT / "ml" / "training" / "configs" / "ct-covid.toml"
NECKS = {  # of the tutorials, for small pictures; and several levels
    "vgg16": "vgg16+pool2+dense64",
    "smallcnn": "smallcnn+flatten+dense64",
    "efficientnetlite0": "efficientnetlite0+levels15",
}
LABELS = ("covid", "non_covid")
DRAWN_ONCE = cache(reference_plane)
POINTS = {"covid": OperatingPoint(value=0.5, rule="drawn pictures", low=0.0, high=1.0)}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """64 drawn slices, each of a patient of its own; covid ones carry a bright patch."""
    folder = tmp_path_factory.mktemp("data")
    examples = []
    for number in range(64):
        gray = reference_plane(number, Modality.CT)[::4, ::4].copy()
        if number % 2:
            gray[40:80, 20:50] = 255
        Image.fromarray(gray).save(folder / f"{number}.png")
        label = "covid" if number % 2 else "non_covid"
        examples.append(example(number, path=Path(f"{number}.png"), modality="ct", label=label, width=128, height=128))
    write_manifest(folder, examples)
    return folder


@pytest.fixture(autouse=True)
def forget_graphs() -> Iterator[None]:
    yield
    keras.utils.clear_session()


def training_of(name: str) -> Training:
    architecture = architecture_named(NECKS.get(name, name))
    return replace(
        read_training(CONFIG),
        architecture=architecture.name,
        base=Path("none"),
        input_side=max(64, architecture.family.smallest),
        passes=0,
        directions=6,
        fine_tune=Steps(epochs=1, batch=32, first_block=architecture.blocks - 1),
    )


def an_epoch(training: Training, linear: Trained, examples: list[Example], out: Path) -> Trained:
    """Tune what follows the last cut once over all pictures."""
    steps = training.fine_tune or Steps()
    kept: list[tuple[Weights, Head]] = []
    lesson = Lesson(
        architecture=architecture_named(training.architecture),
        side=training.input_side,
        trunk=linear.trunk,
        head=linear.head,
        views=views_of(training, steps, linear.trunk, examples, out),
        places=np.arange(len(examples)),
        examples=examples,
        names=training.labels,
    )
    fine_tune(lesson, steps, training.seed, lambda _, trunk, head: kept.append((trunk, head)))
    [(trunk, head)] = kept
    return replace(linear, trunk=trunk, head=head)


@pytest.mark.django_db
@pytest.mark.parametrize("name", FAMILIES)
def test_an_epoch_leaves_a_bundle_that_reproduces_itself_is_registered_screens_and_explains(
    name: str, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Any
):
    monkeypatch.setattr(export, "CANDIDATES", 32)
    monkeypatch.setattr(export, "ROUNDS", 1)
    monkeypatch.setattr(reference, "reference_plane", DRAWN_ONCE)
    training, examples = training_of(name), choose(read_manifest(data), modality="ct", split="train", labels=LABELS)
    trunk = base_weights(training.base, training.architecture, training.input_side, training.seed)
    passes = features_of(training, trunk, examples, tmp_path / "features.npy")
    linear = train_linear(training, trunk, examples, passes, np.arange(64) // 2 % 2)

    tuned = an_epoch(training, linear, examples, tmp_path)

    write_bundle(tmp_path / "bundle", training, tuned, examples, POINTS, {})
    runtime = verify(load_bundle(tmp_path / "bundle"))
    card = read_card(tmp_path / "bundle")
    [outcome] = Scorer(card, runtime, batch_size=1).score([next(clean_planes(examples)).tobytes()])
    assert outcome.kind in ("scored", "inconclusive")
    assert outcome.distance is not None
    assert f"resampled to {training.input_side} x" in card.preprocessing
    changed = {layer for layer in trunk if not np.array_equal(trunk[layer], tuned.trunk[layer])}
    assert changed
    assert len(changed) < len(trunk)

    settings.CONFIG = replace(settings.CONFIG, model_root=tmp_path)
    lane = register_model(card=card.as_json(), folder="bundle").pk
    plane = next(clean_planes(examples)).tobytes()
    [screened] = _load_scorer(lane).score([plane])
    [told] = explain_all(_load_explainer(lane), [plane], "covid")
    assert (screened.kind, screened.scores.keys()) == (outcome.kind, outcome.scores.keys())
    assert told.heat.shape == (512, 512)
    assert np.isfinite(told.heat).all()


def config_with(folder: Path, **changes: str) -> Path:
    text = CONFIG.read_text()
    for name, value in changes.items():
        line = next(line for line in text.splitlines() if line.startswith(f"{name} = "))
        text = text.replace(line, f"{name} = {value}")
    path = folder / "run.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("architecture", "block", "told"), [("vgg16", "9", "1 to 3"), ("efficientnetlite0+levels5", "6", "1 to 5")]
)
def test_tuning_from_a_block_that_is_not_there_or_after_a_level_that_counts_is_refused(
    architecture: str, block: str, told: str, tmp_path: Path
):
    path = config_with(tmp_path, architecture=f'"{architecture}"', first_block=block)

    with pytest.raises(BundleError, match=told) as refused:
        read_training(path)

    assert refused.value.code == "fine_tune_not_supported"


def test_a_side_that_is_too_small_is_refused_before_anything_is_computed(tmp_path: Path):
    with pytest.raises(BundleError) as refused:
        read_training(config_with(tmp_path, architecture='"xception"', input_side="64"))

    assert refused.value.code == "side_too_small"


def test_a_head_on_more_features_than_a_distance_can_take_is_refused(data: Path, tmp_path: Path):
    training = replace(training_of("resnet50"), architecture="resnet50+flatten", input_side=128)
    trunk = base_weights(training.base, training.architecture, 128)
    examples = choose(read_manifest(data), modality="ct", split="train", labels=LABELS)

    with pytest.raises(DataError) as refused:
        features_of(training, trunk, examples, tmp_path / "features.npy")

    assert refused.value.code == "too_many_features"
    assert not (tmp_path / "features.npy").exists()
