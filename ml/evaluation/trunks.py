"""The trunk that a configuration begins with, and what it gives for the training pictures."""

from collections.abc import Sequence
from pathlib import Path

from ml.models.base import base_weights
from ml.models.weights import Weights
from ml.training.config import Training
from ml.training.data import Example
from ml.training.head import Features
from ml.training.linear import features_of


def base_trunk(training: Training) -> Weights:
    """Return the trunk before any tuning."""
    return base_weights(training.base, training.architecture, training.input_side, training.seed)


def base_features(training: Training, examples: Sequence[Example], folder: Path) -> Features:
    """Return float32 `(1 + passes, examples, features)`, kept in `folder`; see `features_of`."""
    folder.mkdir(parents=True, exist_ok=True)
    return features_of(training, base_trunk(training), examples, folder / "features.npy")
