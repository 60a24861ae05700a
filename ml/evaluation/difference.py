"""Two models on the same pictures: the difference, with an interval that knows they saw the same patients."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.evaluation.metrics import Floats, auc, balanced_accuracy, by_patient, with_interval
from ml.training.data import DataError, Example

Figure = Callable[[Floats, NDArray[np.int64]], float]


def paired(
    examples: Sequence[Example],
    names: Sequence[str],
    first: Floats,
    second: Floats,
    flag_labels: Sequence[str],
    seed: int = 0,
) -> dict[str, Any]:
    """Return first less second, for balanced accuracy and the AUC of every label that flags.

    Each bootstrap draw takes the same patients for both models, so that what is hard for both cancels.

    Args:
        examples: Pictures that both models scored.
        names: Labels in the order of the columns of both.
        first: float64 `(examples, labels)`.
        second: The same of the other model.
        flag_labels: Whose AUC is compared.
        seed: Of the bootstrap by patient.

    Raises:
        DataError: `nothing_to_compare`, if no picture was scored by both.
    """
    if not examples:
        raise DataError("nothing_to_compare", "No picture was scored by both models.", "Name models for one modality.")
    truth = np.array([names.index(example.label) for example in examples])
    draws = by_patient([example.patient for example in examples], seed)

    def difference(figure: Figure) -> dict[str, Any]:
        told: dict[str, Any] = with_interval(lambda r: figure(first, r) - figure(second, r), draws, len(truth))
        excludes = told["low"] is not None and (told["low"] > 0 or told["high"] < 0)
        return {**told, "excludes_zero": excludes}

    told = {"balanced_accuracy": difference(lambda s, r: balanced_accuracy(truth[r], s[r].argmax(axis=1)))}
    for name in flag_labels:
        column = names.index(name)
        told[f"auc_{name}"] = difference(lambda s, r, k=column: auc(truth[r] == k, s[r, k]))  # type: ignore[misc]
    return {"pictures": len(truth), "patients": len({example.patient for example in examples}), **told}
