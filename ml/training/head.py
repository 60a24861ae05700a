"""A linear head on frozen features, its temperature, and the distance to what was trained on."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax
from sklearn.linear_model import LogisticRegression

from ml.training.data import Example
from ml.training.splits import balance

Floats = NDArray[np.float64]
Features = NDArray[np.float32]  # (pictures, features), or (passes, pictures, features); pass 0 is clean


@dataclass(frozen=True, slots=True)
class Head:
    """Logits are `features @ kernel + bias`."""

    kernel: Floats  # (features, labels)
    bias: Floats  # (labels,)

    def logits(self, features: Features) -> Floats:
        return np.asarray(features.astype(np.float64) @ self.kernel + self.bias)

    def cooled(self, temperature: float) -> "Head":
        """Divide the logits by a temperature."""
        return Head(self.kernel / temperature, self.bias / temperature)


def fit_head(passes: Features, labels: NDArray[np.int64], weights: Floats, *, strength: float, classes: int) -> Head:
    """Fit a multinomial logistic regression on every pass of every picture.

    Args:
        passes: float32 `(passes, pictures, features)`.
        labels: int64 `(pictures,)`, values in 0..classes-1, each present.
        weights: float64 `(pictures,)`.
        strength: Inverse of the L2 penalty (scikit-learn's C) per pass.
        classes: 2 or more.

    Returns:
        A head for the features as they come; their scaling is folded in.
    """
    count = len(passes)
    flat = passes.reshape(-1, passes.shape[-1]).astype(np.float64)
    mean, deviation = flat.mean(axis=0), flat.std(axis=0) + 1e-3
    model = LogisticRegression(C=strength / count, max_iter=400, tol=1e-3)
    model.fit((flat - mean) / deviation, np.tile(labels, count), np.tile(weights, count))
    coefficients, intercepts = model.coef_, model.intercept_
    if classes == 2:  # scikit-learn gives one row for two classes; softmax of (-z/2, z/2) is the same
        coefficients = np.concatenate([-coefficients, coefficients]) / 2
        intercepts = np.concatenate([-intercepts, intercepts]) / 2
    kernel = (coefficients / deviation).T
    return Head(kernel, intercepts - mean @ kernel)


def out_of_fold_logits(
    passes: Features,
    examples: Sequence[Example],
    names: Sequence[str],
    fold: NDArray[np.int64],
    *,
    strength: float,
    balanced_by: str,
) -> Floats:
    """Score every picture's clean pass with a head that never saw its patient."""
    truth = np.array([names.index(example.label) for example in examples])
    logits = np.empty((len(examples), len(names)))
    for number in np.unique(fold):
        train, held = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        weights = balance([examples[int(place)] for place in train], balanced_by)
        head = fit_head(passes[:, train], truth[train], weights, strength=strength, classes=len(names))
        logits[held] = head.logits(passes[0, held])
    return logits


def fit_temperature(logits: Floats, truth: NDArray[np.int64]) -> float:
    """Return the one number by which out-of-fold logits are divided to fit best.

    Source:
        Guo et al., On Calibration of Modern Neural Networks, ICML 2017.
    """

    def loss(log_temperature: float) -> float:
        return log_loss(logits / np.exp(log_temperature), truth)

    return float(np.exp(minimize_scalar(loss, bounds=(-2.0, 4.0), method="bounded").x))


def log_loss(logits: Floats, truth: NDArray[np.int64]) -> float:
    """Return the mean negative log likelihood."""
    return float(-log_softmax(logits, axis=1)[np.arange(len(truth)), truth].mean())


def scores_of(logits: Floats) -> Floats:
    """Return the softmax of each row."""
    return np.asarray(softmax(logits, axis=1))


@dataclass(frozen=True, slots=True)
class Distance:
    """Mahalanobis distance within the directions in which training features vary most."""

    mean: Floats  # (features,)
    projection: Floats  # (features, directions)

    def of(self, features: Features) -> Floats:
        """Return how far each row lies from the training pictures, in standard deviations."""
        return np.asarray(np.linalg.norm((features - self.mean) @ self.projection, axis=1))


def fit_distance(passes: Features, directions: int) -> Distance:
    """Fit the distance on every pass of every training picture.

    Source:
        Lee et al., A Simple Unified Framework for Detecting Out-of-Distribution Samples, NeurIPS 2018,
        here with one class and principal components.
    """
    flat = passes.reshape(-1, passes.shape[-1]).astype(np.float64)
    mean = flat.mean(axis=0)
    if len(flat) < flat.shape[1]:  # the same directions, without a covariance of features times features
        _, spreads, rows = np.linalg.svd(flat - mean, full_matrices=False)
        return Distance(mean, rows[:directions].T * np.sqrt(len(flat) - 1) / spreads[:directions])
    covariance = np.cov(flat - mean, rowvar=False)
    values, vectors = np.linalg.eigh(covariance)
    keep = slice(-directions, None)
    return Distance(mean, vectors[:, keep] / np.sqrt(values[keep]))
