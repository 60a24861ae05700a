"""Folds that keep every patient whole."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold

from ml.training.data import DataError, Example


def grouped_folds(examples: Sequence[Example], folds: int, seed: int) -> NDArray[np.int64]:
    """Give every example the number of the fold that holds it out.

    Labels and sources are spread as evenly as whole patients allow.

    Returns:
        int64, shape `(examples,)`, values in 0..folds-1.
    """
    strata = np.array([f"{example.source}|{example.label}" for example in examples])
    patients = np.array([example.patient for example in examples])
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    held = np.empty(len(examples), np.int64)
    for number, (_, test) in enumerate(splitter.split(strata, strata, patients)):
        held[test] = number
    refuse_torn_patients(examples, held)
    return held


def refuse_torn_patients(examples: Sequence[Example], fold: NDArray[np.int64]) -> None:
    """Raise `DataError` if a patient's pictures lie in two folds."""
    seen: dict[str, int] = {}
    for example, number in zip(examples, fold.tolist(), strict=True):
        if seen.setdefault(example.patient, number) != number:
            raise DataError(
                "patient_in_two_folds",
                "A patient's pictures lie in two folds, so out-of-fold scores would be too good.",
                "Group the folds by patient.",
            )


def balance(examples: Sequence[Example], by: str) -> NDArray[np.float64]:
    """Return weights of mean 1 that give every label the same say.

    Args:
        examples: What the weights are for.
        by: "label": equal sums per label; "source": within each label, also equal per source.

    Returns:
        float64, shape `(examples,)`.
    """
    labels = np.array([example.label for example in examples])
    sources = np.array([example.source for example in examples])
    weights = np.zeros(len(examples))
    for label in np.unique(labels):
        own = labels == label
        parts = [own & (sources == s) for s in np.unique(sources[own])] if by == "source" else [own]
        for part in parts:
            weights[part] = 1.0 / (len(parts) * part.sum())
    return np.asarray(weights * len(examples) / weights.sum(), np.float64)
