"""Write a bundle: weights, reference scores, card."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from ml.models import weights as w
from ml.models.architectures import architecture_named
from ml.models.bundle import TRUNK_FILE, WEIGHTS_FILE, Bundle, file_sha256
from ml.models.card import Card, OperatingPoint, OutOfDistribution, Reference, model_hash
from ml.models.references import CANDIDATES, ROUNDS, TOLERANCE, choose_references, spread, write_card
from ml.training.config import Training
from ml.training.data import Example
from ml.training.trained import Trained
from ml.vocabulary import PIPELINE

__all__ = ["CANDIDATES", "ROUNDS", "spread", "write_bundle", "write_card"]
NOT_TESTED: Final = {"verdict": "not tested yet", "text": "Whether the model uses the lungs was not tested yet."}


def write_bundle(
    folder: Path,
    training: Training,
    trained: Trained,
    examples: Sequence[Example],
    points: dict[str, OperatingPoint],
    sections: dict[str, Any],
) -> Card:
    """Write weights and card, the reference scores computed from what was written.

    Args:
        folder: Made if it is missing.
        training: What the run was told.
        trained: What came out.
        examples: What it was trained on.
        points: Thresholds of the labels that flag.
        sections: `metrics`, `trivial_baselines` and `limits` of the card.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rest = {
        w.HEAD_KERNEL: trained.head.kernel,
        w.HEAD_BIAS: trained.head.bias,
        w.OOD_MEAN: trained.distance.mean,
        w.OOD_PROJECTION: trained.distance.projection,
    }
    own = {} if training.shared_trunk else trained.trunk
    w.write_weights(folder / WEIGHTS_FILE, own, {k: v.astype(np.float32) for k, v in rest.items()})
    if training.shared_trunk:
        w.write_weights(folder / TRUNK_FILE, trained.trunk, {})
    names = (WEIGHTS_FILE, TRUNK_FILE) if training.shared_trunk else (WEIGHTS_FILE,)
    files = {name: file_sha256(folder / name) for name in names}
    card = _card(training, trained, examples, points, files, sections)
    card = replace(card, model_sha256=model_hash(card))
    card = replace(card, reference=choose_references(Bundle(folder, card), CANDIDATES, ROUNDS))
    write_card(folder, card)
    return card


def _card(
    training: Training,
    trained: Trained,
    examples: Sequence[Example],
    points: dict[str, OperatingPoint],
    files: dict[str, str],
    sections: dict[str, Any],
) -> Card:
    return Card(
        slug=training.slug,
        version=training.version,
        title=training.title,
        modality=training.modality,
        labels=training.labels,
        flag_labels=training.flag_labels,
        operating_points=points,
        architecture=training.architecture,
        input_side=training.input_side,
        pipeline=PIPELINE,
        preprocessing=architecture_named(training.architecture).preprocessing(training.input_side),
        ood=OutOfDistribution(
            method=(
                f"Mahalanobis distance in the {training.directions} first principal directions of the "
                f"trunk's features; {training.percentile} % of training pictures lie nearer, out of fold"
            ),
            threshold=round(trained.threshold, 4),
        ),
        reference=Reference(tolerance=TOLERANCE, seeds=(), scores=()),
        files=files,
        default=training.default,
        model_sha256="",
        licence=training.licence,
        training_data=_counts(examples) | trained.data | {"how": trained.how, "seed": training.seed},
        shortcut=NOT_TESTED,
        evaluations={"val": 0, "external": 0},
        **sections,
    )


def _counts(examples: Sequence[Example]) -> dict[str, Any]:
    pictures: dict[str, Counter[str]] = {}
    for example in examples:
        pictures.setdefault(example.source, Counter())[example.label] += 1
    return {
        "pictures": {source: dict(sorted(count.items())) for source, count in sorted(pictures.items())},
        "patients": len({example.patient for example in examples}),
    }
