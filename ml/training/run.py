"""From a manifest and a configuration to a bundle, in one call."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.evaluation import baselines
from ml.evaluation.metrics import Floats
from ml.evaluation.report import figures, macro_auc
from ml.models.base import base_weights
from ml.models.bundle import load_bundle
from ml.models.card import Card
from ml.models.verify import verify
from ml.training.config import Training
from ml.training.data import Example, choose
from ml.training.export import write_bundle
from ml.training.layouts.collection import data_hash
from ml.training.layouts.layout import layout_told
from ml.training.linear import features_of, train_linear
from ml.training.record import not_rebuilt, record
from ml.training.repeatable import make_repeatable
from ml.training.splits import grouped_folds
from ml.training.trained import Trained, operating_points
from ml.training.tuned import train_tuned


def train(training: Training, data: Path, out: Path, config: Path | None = None) -> Card:
    """Train on the split `train` alone and leave a verified bundle in `out/bundle`.

    `out` also keeps what the run was told and computed with (`run.json`), features, folds, the state of a tuning
    after its last epoch, out-of-fold scores and curves for TensorBoard; a run that was stopped goes on there.

    Raises:
        DataError: the data cannot be trained on honestly; `other_run`: `out` holds the work of another run.
        BundleError: the bundle does not reproduce its own reference scores.
    """
    make_repeatable(training.seed)
    out.mkdir(parents=True, exist_ok=True)
    collection = training.data.read(data, training.modality, training.labels)
    examples = choose(collection.examples, modality=training.modality, split="train", labels=training.labels)
    trunk = base_weights(training.base, training.architecture, training.input_side, training.seed)
    fold = grouped_folds(examples, training.folds, training.seed)
    record(out, training, collection, examples, trunk)
    if config is not None:
        shutil.copyfile(config, out / "config.toml")
    passes = features_of(training, trunk, examples, out / "features.npy")
    trained = train_linear(training, trunk, examples, passes, fold)
    if training.fine_tune is not None:
        trained = train_tuned(training, trained, examples, passes, fold, out)
    points = operating_points(training, examples, trained.scores)
    sections = {
        "metrics": {"out_of_fold": _figures(training, examples, trained, points)},
        "trivial_baselines": {"out_of_fold": _trivial(training, examples, fold)},
        "limits": training.limits + collection.limits + not_rebuilt(out),
    }
    trained = replace(
        trained, data=collection.told() | {"layout": layout_told(training.data), "data_sha256": data_hash(examples)}
    )
    _keep(out, training, examples, fold, trained.scores)
    card = write_bundle(out / "bundle", training, trained, examples, points, sections)
    verify(load_bundle(out / "bundle"))
    return card


def _figures(
    training: Training, examples: Sequence[Example], trained: Trained, points: dict[str, Any]
) -> dict[str, Any]:
    thresholds = {name: point.value for name, point in points.items()}
    told = figures(examples, training.labels, trained.scores, thresholds, training.seed)
    told["refused_by_distance"] = round(float((trained.distances > trained.threshold).mean()), 4)
    for name in training.flag_labels:
        own = trained.scores[:, training.labels.index(name)]
        told[f"auc_{name}_by_source"] = macro_auc(examples, name, own)
    return told


def _trivial(training: Training, examples: Sequence[Example], fold: NDArray[np.int64]) -> dict[str, Any]:
    described = baselines.describe(examples)
    told = {}
    for name in training.flag_labels:
        positive = np.array([example.label == name for example in examples])
        scores = {key: baselines.out_of_fold(rows, positive, fold) for key, rows in described.items()}
        told[name] = baselines.compare(examples, scores, name, training.seed)
    return told


def _keep(out: Path, training: Training, examples: Sequence[Example], fold: NDArray[np.int64], scores: Floats) -> None:
    rows = [
        {"sha256": e.sha256, "label": e.label, "source": e.source, "fold": int(n), "scores": s.round(6).tolist()}
        for e, n, s in zip(examples, fold, scores, strict=True)
    ]
    document = {"labels": training.labels, "rows": rows}
    (out / "out_of_fold.json").write_text(json.dumps(document), encoding="utf-8")
