"""Train a linear head on a frozen trunk."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ml.models.architectures import architecture_named
from ml.models.frozen import filled_trunk
from ml.models.weights import Weights, digest
from ml.training.config import Training
from ml.training.data import DataError, Example
from ml.training.features import clean_planes, degraded_planes, extract_all, extractor
from ml.training.head import (
    Features,
    Floats,
    fit_distance,
    fit_head,
    fit_temperature,
    log_loss,
    out_of_fold_logits,
    scores_of,
)
from ml.training.kept import key_of, refuse_other, save_array
from ml.training.progress import shown
from ml.training.splits import balance
from ml.training.trained import Trained
from ml.vocabulary import PIPELINE

MOST_FEATURES: Final = 8192


def features_of(training: Training, trunk: Weights, examples: Sequence[Example], cache: Path) -> Features:
    """Return float32 `(1 + passes, examples, features)`: the clean pass, then the degraded ones.

    Kept in `cache`, pass by pass, so that a run that was stopped goes on from there.

    Raises:
        DataError: `too_many_features`: the distance takes their covariance; `other_run` if `cache` holds others.
    """
    refuse_other(cache.with_suffix(".key"), features_key(training, trunk, examples), cache)
    if cache.exists():
        kept: Features = np.load(cache)
        return kept
    architecture = architecture_named(training.architecture)
    model = filled_trunk(architecture, training.input_side, trunk)
    if model.output_shape[-1] > MOST_FEATURES:
        raise DataError(
            "too_many_features",
            f"{architecture.name} gives {model.output_shape[-1]} features; at most {MOST_FEATURES} can be trained on.",
            "Leave out +flatten, or add +dense<n> to the architecture.",
        )
    extract = extractor(model, architecture, training.input_side)
    parts = [cache.with_suffix(f".{number}.npy") for number in range(1 + training.passes)]
    for number, part in enumerate(parts):
        if part.exists():
            continue
        planes = (
            degraded_planes(examples, training.degradation, training.seed, number - 1)
            if number
            else clean_planes(examples)
        )
        what = f"features, pass {number + 1} of {len(parts)}"
        save_array(part, extract_all(extract, shown(planes, what, len(examples))))
    stacked = np.stack([np.load(part) for part in parts])
    save_array(cache, stacked)
    for part in parts:
        part.unlink()
    return stacked


def features_key(training: Training, trunk: Weights, examples: Sequence[Example]) -> str:
    """Hash everything that decides the features of some pictures."""
    return key_of(
        PIPELINE,
        training.architecture,
        training.input_side,
        digest(trunk),
        asdict(training.degradation),
        training.seed,
        training.passes,
        [example.sha256 for example in examples],
    )


def train_linear(
    training: Training, trunk: Weights, examples: Sequence[Example], passes: Features, fold: NDArray[np.int64]
) -> Trained:
    """Choose the penalty out of fold, fit the temperature there too, then fit once on everything."""
    names = training.labels
    truth = np.array([names.index(example.label) for example in examples])
    tried = {
        strength: out_of_fold_logits(passes, examples, names, fold, strength=strength, balanced_by=training.balanced_by)
        for strength in training.strengths
    }
    losses = {strength: log_loss(logits, truth) for strength, logits in tried.items()}
    strength = min(losses, key=lambda one: losses[one])
    temperature = fit_temperature(tried[strength], truth)
    weights = balance(examples, training.balanced_by)
    head = fit_head(passes, truth, weights, strength=strength, classes=len(names))
    distances = out_of_fold_distances(passes, fold, training.directions)
    return Trained(
        trunk=trunk,
        head=head.cooled(temperature),
        distance=fit_distance(passes, training.directions),
        threshold=float(np.percentile(distances, training.percentile)),
        scores=scores_of(tried[strength] / temperature),
        distances=distances[0],
        how={
            "method": "linear head on frozen features",
            "inverse_penalty": strength,
            "log_loss_out_of_fold": {str(one): round(loss, 4) for one, loss in losses.items()},
            "temperature": round(temperature, 4),
        },
    )


def out_of_fold_distances(passes: Features, fold: NDArray[np.int64], directions: int) -> Floats:
    """Measure every pass of every picture from training pictures of other patients.

    Returns:
        float64 `(passes, pictures)`.
    """
    distances = np.empty(passes.shape[:2])
    for number in np.unique(fold):
        held = np.flatnonzero(fold == number)
        distance = fit_distance(passes[:, fold != number], directions)
        for row, features in enumerate(passes):
            distances[row, held] = distance.of(features[held])
    return distances
