"""Train the gate, place its threshold out of fold, and tell every family by itself."""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file
from sklearn.linear_model import LogisticRegression

from ml.evaluation.metrics import proportion
from ml.images.gate import CARD_FILE, CLASSES, WEIGHTS_FILE, GateWeights, decide, describe
from ml.images.plane import make_plane
from ml.models.bundle import file_sha256
from ml.training.augment import Degradation, degraded_plane, generator_for
from ml.training.data import Example, read_manifest
from ml.training.gate_data import chest, for_test, for_training, gray_of
from ml.training.splits import grouped_folds
from ml.vocabulary import DISCLAIMER, PIPELINE, Modality

UNKNOWN: Final = CLASSES.index(Modality.UNKNOWN)
LIMITS: Final = (
    "It has seen no lateral view: only a DICOM header can refuse one.",
    "It has seen no CT of other parts of the body: an axial slice of neck or abdomen may pass as chest CT.",
    "A picture it refuses is not assessed; that says nothing about the patient.",
)
Rows = NDArray[np.float32]
Places = NDArray[np.int64]
Scores = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class GateTraining:
    """Fixed before training."""

    version: str = "1.0.0"
    seed: int = 1
    folds: int = 5
    strength: float = 0.002  # inverse L2 penalty
    refused: float = 0.015  # part of chest pictures that the threshold may refuse, out of fold


def train_gate(data: Path, out: Path, training: GateTraining) -> dict[str, Any]:
    """Train on `train`; report there out of fold, on `val`, `external` and on families never trained on.

    Writes weights and card into `out` and returns the card.

    Raises:
        DataError: the manifest cannot be used.
    """
    manifest = read_manifest(data)
    examples = chest(manifest, "train")
    rows, truth, fold, families = _training_rows(examples, training)
    scores = np.empty((len(truth), len(CLASSES)), np.float32)
    for number in range(training.folds):
        held = fold == number
        scores[held] = _scores(rows[held], _fit(rows[~held], truth[~held], training))
    clean = slice(0, len(examples))
    own = scores[clean][np.arange(len(examples)), truth[clean]]
    fitted = _fit(rows, truth, training)
    weights = GateWeights(fitted.kernel, fitted.bias, float(np.quantile(own, training.refused)))
    trained_on = zip(families[2 * len(examples) :], scores[2 * len(examples) :], strict=True)
    figures = {
        "train_out_of_fold": _chest_figures(examples, scores[clean], weights),
        "let_through_of_families_trained_on": _let_through(trained_on, weights),
    }
    for split in ("val", "external"):
        others = chest(manifest, split)
        described = np.stack([describe(make_plane(gray_of(example))) for example in others])
        figures[split] = _chest_figures(others, _scores(described, weights), weights)
    pictures = [gray_of(example) for example in chest(manifest, "val")]
    unseen = ((family, _scores(describe(p)[None], weights)[0]) for family, p in for_test(pictures, training.seed))
    figures["let_through_of_families_never_trained_on"] = _let_through(unseen, weights)
    return _write(out, weights, figures, training)


def _training_rows(examples: Sequence[Example], training: GateTraining) -> tuple[Rows, Places, Places, list[str]]:
    """Return features, classes, folds and families: clean chest pictures, degraded ones, then the rest."""
    pictures = [gray_of(example) for example in examples]
    patient_fold = grouped_folds(examples, training.folds, training.seed)
    rows = [describe(make_plane(gray)) for gray in pictures]
    for example, gray in zip(examples, pictures, strict=True):
        rng = generator_for(training.seed, int(example.sha256[:12], 16))
        rows.append(describe(degraded_plane(gray, Degradation(rotation=3.0), rng)))
    kinds = [CLASSES.index(Modality(example.modality)) for example in examples] * 2
    families, folds = [example.source for example in examples] * 2, [patient_fold, patient_fold]
    for number in range(training.folds):  # misused pictures stay in the fold of their patients
        own = [pictures[place] for place in np.flatnonzero(patient_fold == number)]
        drawn = list(for_training(own, training.seed, number, training.folds))
        rows += [describe(plane) for _, plane in drawn]
        families += [family for family, _ in drawn]
        folds.append(np.full(len(drawn), number))
        kinds += [UNKNOWN] * len(drawn)
    return np.stack(rows), np.array(kinds), np.concatenate(folds), families


def _fit(rows: Rows, truth: Places, training: GateTraining) -> GateWeights:
    mean, deviation = rows.mean(axis=0), rows.std(axis=0) + 1e-3
    model = LogisticRegression(C=training.strength, class_weight="balanced", max_iter=200, tol=1e-2)
    model.fit((rows - mean) / deviation, truth)
    kernel = (model.coef_ / deviation).T.astype(np.float32)
    return GateWeights(kernel, (model.intercept_ - mean @ kernel).astype(np.float32), 1.0)


def _scores(rows: Rows, weights: GateWeights) -> Scores:
    return np.array([list(decide(row, weights).scores.values()) for row in rows], np.float32)


def _kinds(scores: Scores, weights: GateWeights) -> Places:
    """Return the place in CLASSES that each row of scores is taken for."""
    best = scores[:, :UNKNOWN].argmax(axis=1)
    return np.where(scores[:, :UNKNOWN].max(axis=1) >= weights.threshold, best, UNKNOWN)


def _chest_figures(examples: Sequence[Example], scores: Scores, weights: GateWeights) -> dict[str, Any]:
    kinds = _kinds(scores, weights)
    truth = np.array([CLASSES.index(Modality(example.modality)) for example in examples])
    groups = {"all": np.ones(len(examples), bool)}
    for source in sorted({example.source for example in examples}):
        groups[source] = np.array([example.source == source for example in examples])
    return {
        name: {
            "refused": proportion(int((kinds[own] == UNKNOWN).sum()), int(own.sum())),
            "taken_for_the_other_kind": int(((kinds != truth) & (kinds != UNKNOWN) & own).sum()),
        }
        for name, own in groups.items()
    }


def _let_through(pairs: Iterable[tuple[str, Scores]], weights: GateWeights) -> dict[str, Any]:
    passed: dict[str, list[bool]] = defaultdict(list)
    for family, scores in pairs:
        passed[family].append(bool(_kinds(scores[None], weights)[0] != UNKNOWN))
    return {family: proportion(sum(flags), len(flags)) for family, flags in sorted(passed.items())}


def _write(out: Path, weights: GateWeights, figures: dict[str, Any], training: GateTraining) -> dict[str, Any]:
    out.mkdir(parents=True, exist_ok=True)
    save_file({"kernel": weights.kernel, "bias": weights.bias}, out / WEIGHTS_FILE)
    (out / WEIGHTS_FILE).chmod(0o644)
    card = {
        "slug": "modality-gate",
        "version": training.version,
        "title": "Chest radiograph, axial chest CT slice, or neither",
        "kind": "gate",
        "classes": [kind.value for kind in CLASSES],
        "pipeline": PIPELINE,
        "threshold": weights.threshold,
        "how": asdict(training),
        "files": {WEIGHTS_FILE: file_sha256(out / WEIGHTS_FILE)},
        "metrics": figures,
        "limits": LIMITS,
        "licence": "Weights for research and education only; see models/LICENSE. No images are contained.",
        "disclaimer": DISCLAIMER,
    }
    (out / CARD_FILE).write_text(json.dumps(card, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return card
