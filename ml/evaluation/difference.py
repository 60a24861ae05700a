"""Two models on the same pictures: the difference, with an interval that knows they saw the same patients."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.evaluation.metrics import Floats, auc, balanced_accuracy, by_patient, with_interval
from ml.evaluation.report import auc_between
from ml.training.data import DataError, Example

OnRows = Callable[[NDArray[np.int64]], float]
Figure = Callable[[Floats, NDArray[np.int64]], float]


def paired(
    examples: Sequence[Example],
    names: Sequence[str],
    first: Floats,
    second: Floats,
    flag_labels: Sequence[str],
    seed: int = 0,
) -> dict[str, Any]:
    """Return first less second: balanced accuracy, the AUC of every label that flags, and AUCs within each source.

    Within a source it is the AUC between each pair of its labels. Each bootstrap draw takes the same patients for both
    models, so that what is hard for both cancels.

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
        return _differing(partial(figure, first), partial(figure, second), draws, len(truth))

    told = {"balanced_accuracy": difference(lambda s, r: balanced_accuracy(truth[r], s[r].argmax(axis=1)))}
    for name in flag_labels:
        column = names.index(name)
        told[f"auc_{name}"] = difference(lambda s, r, k=column: auc(truth[r] == k, s[r, k]))  # type: ignore[misc]
    told |= _within_sources(examples, names, truth, difference_of=(first, second), seed=seed)
    return {"pictures": len(truth), "patients": len({example.patient for example in examples}), **told}


def _within_sources(
    examples: Sequence[Example],
    names: Sequence[str],
    truth: NDArray[np.int64],
    *,
    difference_of: tuple[Floats, Floats],
    seed: int,
) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for source in sorted({example.source for example in examples}):
        own = np.array([place for place, example in enumerate(examples) if example.source == source])
        draws = by_patient([examples[place].patient for place in own], seed)
        for one, other in combinations(np.unique(truth[own]).tolist(), 2):
            mine, theirs = (auc_between(truth[own], scores[own], one, other) for scores in difference_of)
            told[f"auc_{names[one]} / {names[other]}, {source}"] = _differing(mine, theirs, draws, len(own))
    return told


def _differing(mine: OnRows, theirs: OnRows, draws: Sequence[NDArray[np.int64]], rows: int) -> dict[str, Any]:
    told: dict[str, Any] = with_interval(lambda r: mine(r) - theirs(r), draws, rows)
    excludes = told["low"] is not None and (told["low"] > 0 or told["high"] < 0)
    return {**told, "excludes_zero": excludes}
