"""The shortcut test: what a model still knows when the lungs are gone.

Scoring altered pictures with the model as it is falsely reassures: it was never shown such pictures and
stumbles. So a new linear head is fitted on the frozen features of the altered pictures, and what that head
reaches was in the pictures without their lungs. Only pictures of `train` are looked at.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ml.evaluation.alterations import ALTERATIONS, NO_LUNGS, ORIGINAL
from ml.evaluation.metrics import Floats, auc, by_patient, with_interval
from ml.evaluation.report import macro_auc
from ml.training.data import Example
from ml.training.features import BATCH, Extractor, clean_planes
from ml.training.head import Features, fit_head, scores_of
from ml.training.splits import balance

ALLOWED_DROP: Final = 0.03  # of the AUC: a smaller one, and the lungs were not needed
LIKELY: Final = "shortcut likely"
NOT_FOUND: Final = "not found by this test"
CANNOT_TELL: Final = "cannot be told"

FeaturesWithout = Callable[[int], Mapping[str, Features]]


@dataclass(frozen=True, slots=True)
class Subject:
    """What is tested: pictures, their folds, and how heads are fitted."""

    examples: Sequence[Example]
    names: tuple[str, ...]  # labels in the order of the heads
    flag_labels: tuple[str, ...]
    fold: NDArray[np.int64]  # patients whole
    strength: float  # inverse L2 penalty
    balanced_by: str
    tested: tuple[int, ...]  # the folds that are held out in turn; all of them, or fewer where each costs a tuning

    @property
    def held(self) -> NDArray[np.int64]:
        """Places of the pictures that figures are of."""
        return np.flatnonzero(np.isin(self.fold, self.tested))


def altered_features(extract: Extractor, examples: Sequence[Example]) -> dict[str, Features]:
    """Return float32 `(examples, features)` for every alteration; each picture is read once."""
    parts: dict[str, list[Features]] = {name: [] for name in ALTERATIONS}
    waiting: list[tuple[NDArray[np.uint8], int]] = []

    def flush() -> None:
        for name, alter in ALTERATIONS.items():
            parts[name].append(extract(np.stack([alter(plane, seed) for plane, seed in waiting])))
        waiting.clear()

    for example, plane in zip(examples, clean_planes(examples), strict=True):
        waiting.append((plane, int(example.sha256[:12], 16)))
        if len(waiting) == BATCH:
            flush()
    if waiting:
        flush()
    return {name: np.concatenate(rows) for name, rows in parts.items()}


def out_of_fold_scores(subject: Subject, features_without: FeaturesWithout) -> dict[str, dict[str, Floats]]:
    """Score every alteration out of fold with two heads: one fitted on it, one on the original pictures.

    Returns:
        "retrained" and "not_retrained", each alteration to float64 `(examples, labels)`; NaN in folds not tested.
    """
    truth = np.array([subject.names.index(example.label) for example in subject.examples])
    empty = np.full((len(truth), len(subject.names)), np.nan)
    told = {how: {name: empty.copy() for name in ALTERATIONS} for how in ("retrained", "not_retrained")}
    for number in subject.tested:
        features = features_without(number)
        train, held = np.flatnonzero(subject.fold != number), np.flatnonzero(subject.fold == number)
        weights = balance([subject.examples[int(place)] for place in train], subject.balanced_by)
        heads = {
            name: fit_head(
                rows[np.newaxis, train], truth[train], weights, strength=subject.strength, classes=len(subject.names)
            )
            for name, rows in features.items()
        }
        for name, rows in features.items():
            told["retrained"][name][held] = scores_of(heads[name].logits(rows[held]))
            told["not_retrained"][name][held] = scores_of(heads[ORIGINAL].logits(rows[held]))
    return told


def examine(subject: Subject, features_without: FeaturesWithout, shipped: Mapping[str, Floats]) -> dict[str, Any]:
    """Tell, for every label that flags, what is left of its AUC after every alteration, and what follows.

    Args:
        subject: Pictures, folds and fitting.
        features_without: A fold's number to the features of `altered_features`, computed by a trunk that has
            not seen the labels of that fold.
        shipped: Scores of the model itself for every alteration. It has seen these pictures.

    Returns:
        "verdict" and "labels", plain numbers for a card.
    """
    scores = {**out_of_fold_scores(subject, features_without), "shipped": dict(shipped)}
    labels = {name: _label(subject, name, scores) for name in subject.flag_labels}
    return {"verdict": worst(each["verdict"] for each in labels.values()), "labels": labels}


def worst(verdicts: Iterable[str]) -> str:
    """Return the gravest of some verdicts: one way to be wrong is enough."""
    return min(verdicts, key=(LIKELY, CANNOT_TELL, NOT_FOUND).index)


def _label(subject: Subject, label: str, scores: Mapping[str, Mapping[str, Floats]]) -> dict[str, Any]:
    column, held = subject.names.index(label), subject.held
    examples = [subject.examples[int(place)] for place in held]
    positive = np.array([example.label == label for example in examples])
    draws = by_patient([example.patient for example in examples], 0)
    told: dict[str, Any] = {}
    for name in ALTERATIONS:
        own = {how: each[name][held, column] for how, each in scores.items()}
        told[name] = {how: _auc(positive, rows, draws) for how, rows in own.items()}
        told[name]["retrained_by_source"] = macro_auc(examples, label, own["retrained"])
    whole, rest = (scores["retrained"][name][held, column] for name in (ORIGINAL, NO_LUNGS))
    drop = with_interval(
        lambda rows: auc(positive[rows], whole[rows]) - auc(positive[rows], rest[rows]), draws, len(positive)
    )
    return {"verdict": verdict_of(told[ORIGINAL]["retrained"], drop), "drop_without_lungs": drop, "auc": told}


def verdict_of(original: Mapping[str, float | None], drop: Mapping[str, float | None]) -> str:
    """Judge by the rule fixed beforehand: no lungs at or above the original less 0.03 is a likely shortcut.

    A head that does not beat chance on whole pictures has nothing that could be lost.
    """
    if original["low"] is None or drop["value"] is None or original["low"] <= 0.5:
        return CANNOT_TELL
    return LIKELY if drop["value"] <= ALLOWED_DROP else NOT_FOUND


def _auc(positive: NDArray[np.bool_], scores: Floats, draws: Sequence[NDArray[np.int64]]) -> dict[str, float | None]:
    return with_interval(lambda rows: auc(positive[rows], scores[rows]), draws, len(scores))
