"""Train the gate, place its limits out of fold, and tell every family by itself."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.images.gate import KINDS, GateWeights, route_with
from ml.images.plane import make_plane
from ml.training.data import Example, read_manifest
from ml.training.gate_card import Seen, against_target, chest_figures, family_figures, remedy_figures, write_gate
from ml.training.gate_data import chest, gray_of
from ml.training.gate_fit import GateTraining, distances_of, fit_gate, scores_of
from ml.training.gate_rows import Rows, rows_of
from ml.training.negatives.canvas import Gray
from ml.training.negatives.families import PER_TEST_FAMILY, TAUGHT, Planes, for_test, misused
from ml.training.negatives.misused import ORIENTATION, POLARITY
from ml.vocabulary import NotAssessed

Floats = NDArray[np.float64]


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
    scores, away = _out_of_fold(rows, training)
    clean = np.arange(len(examples))[rows.taught[: len(examples)]]
    own = rows.truth[clean]
    limits = tuple(float(np.quantile(away[clean[own == k], k], training.kept)) for k in range(len(KINDS)))
    threshold = float(np.quantile(scores[clean, own], training.refused))
    seen = [_seen(one, far / limits, threshold) for one, far in zip(scores, away, strict=True)]
    taught = [(family, one) for family, one in zip(rows.family, seen, strict=True) if family in TAUGHT]
    figures = {
        "train_out_of_fold": chest_figures(examples, seen[: len(examples)]),
        "let_through_of_families_taught_each_by_a_gate_that_never_saw_it": family_figures(taught),
    }
    fitted = fit_gate(rows, rows.taught, training)
    return replace(fitted, limits=limits, threshold=threshold), figures


def _out_of_fold(rows: Rows, training: GateTraining) -> tuple[Floats, Floats]:
    scores, away = np.empty((len(rows.truth), 5)), np.empty((len(rows.truth), len(KINDS)))
    for fold in range(training.folds):
        held = rows.fold == fold
        weights = fit_gate(rows, rows.taught_without(fold), training)
        scores[held] = scores_of(rows.features[held], weights)
        away[held] = distances_of(rows.features[held], weights)
    return scores, away


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
