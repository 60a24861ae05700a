"""Train the gate, place its limits out of fold, and tell every family by itself."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from ml.images.gate import CLASSES, KINDS, GateWeights, route_with
from ml.images.plane import make_plane
from ml.training.data import Example, read_manifest
from ml.training.gate_card import Seen, against_target, chest_figures, family_figures, remedy_figures, write_gate
from ml.training.gate_data import chest, gray_of
from ml.training.gate_fit import GateTraining, distances_of, fit_gate, scores_of
from ml.training.gate_rows import NO_GROUP, Rows, rows_of
from ml.training.negatives.canvas import Gray
from ml.training.negatives.families import PER_TEST_FAMILY, Planes, for_test, misused
from ml.training.negatives.misused import ORIENTATION, POLARITY
from ml.vocabulary import NotAssessed

Floats = NDArray[np.float64]
FAMILY_UNSEEN: Final = "let_through_of_families_taught_each_by_a_gate_that_never_saw_it"
FAMILY_AND_PATIENTS_UNSEEN: Final = "let_through_of_families_taught_each_by_a_gate_that_saw_neither_it_nor_its_patients"


@dataclass(frozen=True, slots=True)
class Answers:
    """What gates of folds said of rows; NaN where none was asked."""

    scores: Floats  # (rows, 5)
    away: Floats  # (rows, 2)

    @classmethod
    def none(cls, rows: int) -> Self:
        return cls(np.full((rows, len(CLASSES)), np.nan), np.full((rows, len(KINDS)), np.nan))

    def ask(self, weights: GateWeights, rows: Rows, held: NDArray[np.bool_]) -> None:
        """Let one gate answer about the rows `held`."""
        self.scores[held] = scores_of(rows.features[held], weights)
        self.away[held] = distances_of(rows.features[held], weights)

    def judged(self, held: NDArray[np.bool_], limits: Sequence[float], threshold: float) -> list[Seen]:
        """Judge the rows `held`, all of which a gate was asked about."""
        pairs = zip(self.scores[held], self.away[held], strict=True)
        return [_seen(scores, away / limits, threshold) for scores, away in pairs]


def train_gate(data: Path, out: Path, training: GateTraining) -> dict[str, Any]:
    """Train on `train`; report there out of fold, on `val`, `external` and on families never trained on.

    Writes weights and card into `out` and returns the card.

    Raises:
        DataError: the manifest cannot be used.
    """
    manifest = read_manifest(data)
    examples = chest(manifest, "train")
    weights, figures = fit_and_judge(examples, training)
    for split in ("val", "external"):
        others = chest(manifest, split)
        pictures = [gray_of(example) for example in others]
        seen = [Seen.of(route_with(make_plane(gray), weights)) for gray in pictures]
        figures[split] = chest_figures(others, seen)
        if split == "val":
            figures[split]["all"] |= against_target(figures[split]["all"]["refused"])
            figures |= _refusals(pictures, weights, training.seed)
    return write_gate(out, weights, figures, training)


def fit_and_judge(examples: Sequence[Example], training: GateTraining) -> tuple[GateWeights, dict[str, Any]]:
    """Fit the gate and place its limits; what is told of it comes from the gates of the folds."""
    rows = rows_of(examples, training.folds, training.seed)
    by_fold, by_family = _out_of_fold(rows, training)
    clean = np.arange(len(examples))[rows.taught[: len(examples)]]
    own = rows.truth[clean]
    limits = tuple(float(np.quantile(by_fold.away[clean[own == k], k], training.kept)) for k in range(len(KINDS)))
    threshold = float(np.quantile(by_fold.scores[clean, own], training.refused))
    whole = np.arange(len(rows.truth)) < len(examples)
    figures = {"train_out_of_fold": chest_figures(examples, by_fold.judged(whole, limits, threshold))}
    for key, held in ((FAMILY_UNSEEN, rows.group != NO_GROUP), (FAMILY_AND_PATIENTS_UNSEEN, rows.group == rows.fold)):
        seen = by_family.judged(held, limits, threshold)
        figures[key] = family_figures(zip(rows.family[held].tolist(), seen, strict=True))
    fitted = fit_gate(rows, rows.taught, training)
    return replace(fitted, limits=limits, threshold=threshold), figures


def _out_of_fold(rows: Rows, training: GateTraining) -> tuple[Answers, Answers]:
    """Ask about every row the gate that never saw its patient, about families to refuse the one that never saw them.

    Such a family has rows in every fold but is left out of one gate only, so these are two questions.
    """
    by_fold, by_family = Answers.none(len(rows.truth)), Answers.none(len(rows.truth))
    for fold in range(training.folds):
        weights = fit_gate(rows, rows.taught_without(fold), training)
        by_fold.ask(weights, rows, rows.fold == fold)
        by_family.ask(weights, rows, rows.group == fold)
    return by_fold, by_family


def _seen(scores: Floats, distance: Floats, threshold: float) -> Seen:
    """Judge a row as the gate does, remedies aside."""
    kind = int(scores[: len(KINDS)].argmax())
    if scores[kind] < threshold:
        return Seen("unknown", NotAssessed.NOT_CHEST)
    return Seen(KINDS[kind].value, None) if distance[kind] <= 1 else Seen("unknown", NotAssessed.OUT_OF_DISTRIBUTION)


def _refusals(pictures: Sequence[Gray], weights: GateWeights, seed: int) -> dict[str, Any]:
    """Show the gate families that it never saw, and pictures of patients that it never saw, turned and inverted."""

    def seen(planes: Planes) -> list[tuple[str, Seen]]:
        return [(family, Seen.of(route_with(plane, weights))) for family, plane in planes]

    misplaced = seen(misused({**POLARITY, **ORIENTATION}, pictures, PER_TEST_FAMILY, seed))
    return {
        "turned_and_inverted_pictures_of_val": remedy_figures(misplaced),
        "let_through_of_families_never_trained_on": family_figures(seen(for_test(pictures, seed)), targets=True),
    }
