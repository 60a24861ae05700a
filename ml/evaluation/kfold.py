"""Grouped k-fold of one configuration on one family of sources, beside the figure that folds of pictures give."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold

from ml.evaluation.metrics import balanced_accuracy, rounded
from ml.evaluation.trunks import base_features
from ml.training.config import Training
from ml.training.data import DataError, Example, choose
from ml.training.head import Features, out_of_fold_logits
from ml.training.splits import grouped_folds

NOT_COMPARABLE: Final = (
    "Folds that ignore patients: pictures of one patient lie on both sides. Published figures are often of this "
    "kind; it is not comparable with the grouped one and says nothing about new patients."
)


def kfold(training: Training, data: Path, out: Path, family: str, folds: int, seeds: Sequence[int]) -> dict[str, Any]:
    """Cross-validate a linear head on the training pictures of the sources whose names begin with `family`.

    The penalty is the middle one of the configuration: nothing is chosen by these folds.

    Returns:
        "grouped" and "by_picture": mean, standard deviation, least and greatest accuracy over all folds of
        all seeds, and each fold's own.

    Raises:
        DataError: `no_examples`; those of the layout.
    """
    collection = training.data.read(data, training.modality, training.labels)
    own = [example for example in collection.examples if example.source.startswith(family)]
    examples = choose(own, modality=training.modality, split="train", labels=training.labels)
    names = tuple(name for name in training.labels if any(example.label == name for example in examples))
    if len(names) < 2:
        raise DataError("no_examples", f"The sources {family!r} hold one label alone.", "Name another family.")
    passes = base_features(training, examples, out)
    strength = training.strengths[len(training.strengths) // 2]

    def over(seeded: Any) -> dict[str, Any]:
        each = [
            _accuracies(examples, names, passes, seeded(examples, folds, seed), strength, training.balanced_by)
            for seed in seeds
        ]
        return {"accuracy": spread([a for a, _ in each]), "balanced_accuracy": spread([b for _, b in each])}

    return {
        "family": family,
        "labels": {name: sum(example.label == name for example in examples) for name in names},
        "patients": len({example.patient for example in examples}),
        "folds": folds,
        "seeds": list(seeds),
        "inverse_penalty": strength,
        "grouped": over(grouped_folds),
        "by_picture": {"note": NOT_COMPARABLE, **over(folds_that_ignore_patients)},
    }


def folds_that_ignore_patients(examples: Sequence[Example], folds: int, seed: int) -> NDArray[np.int64]:
    """Give every picture the number of a fold as if each were of another patient. Never train by these."""
    labels = np.array([example.label for example in examples])
    held = np.empty(len(examples), np.int64)
    splitter = StratifiedKFold(folds, shuffle=True, random_state=seed)
    for number, (_, test) in enumerate(splitter.split(labels, labels)):
        held[test] = number
    return held


def spread(values: Sequence[Sequence[float]]) -> dict[str, Any]:
    """Tell the mean of the folds of all seeds and how far they lie apart (standard deviation, n - 1)."""
    flat = np.concatenate([np.asarray(one) for one in values])
    return {
        "mean": rounded(flat.mean()),
        "standard_deviation": rounded(flat.std(ddof=1)),
        "least": rounded(flat.min()),
        "greatest": rounded(flat.max()),
        "folds": [[rounded(value) for value in one] for one in values],
    }


def _accuracies(
    examples: Sequence[Example],
    names: Sequence[str],
    passes: Features,
    fold: NDArray[np.int64],
    strength: float,
    balanced_by: str,
) -> tuple[list[float], list[float]]:
    logits = out_of_fold_logits(passes, examples, names, fold, strength=strength, balanced_by=balanced_by)
    truth, answer = np.array([names.index(example.label) for example in examples]), logits.argmax(axis=1)
    parts = [fold == number for number in np.unique(fold)]
    return (
        [float((truth[part] == answer[part]).mean()) for part in parts],
        [balanced_accuracy(truth[part], answer[part]) for part in parts],
    )
