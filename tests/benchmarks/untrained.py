"""A bundle of a published architecture whose weights are drawn: for what it costs, not for what it knows.

python -m tests.benchmarks.untrained ARCHITECTURE ROOT
"""

import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from ml.models import weights as w
from ml.models.architectures import Architecture, architecture_named
from ml.models.base import NONE, base_weights
from ml.models.bundle import WEIGHTS_FILE, Bundle, file_sha256
from ml.models.card import Card, OperatingPoint, OutOfDistribution, Reference, model_hash
from ml.models.frozen import filled_trunk, input_stage
from ml.models.reference import reference_planes
from ml.models.references import TOLERANCE, choose_references, write_card
from ml.vocabulary import PIPELINE, Modality

SIDE = 224
VERSION = "1.0.0"
PHANTOMS, AT_ONCE = 32, 16
CANDIDATES = 64  # phantoms to choose reference scores from
LOGITS = 2.0  # their deviation: scores from about 0.02 to 0.98, as a shipped card's


def folder_of(architecture: str, root: Path) -> Path:
    return root / f"untrained-{architecture}" / VERSION


def untrained(name: str, root: Path) -> Path:
    """Write a bundle that flags nothing, finds no picture strange, and holds references as a trained one's."""
    architecture, folder = architecture_named(name), folder_of(name, root)
    trunk = base_weights(Path(NONE), name, SIDE)
    folder.mkdir(parents=True)
    w.write_weights(folder / WEIGHTS_FILE, trunk, head_on(features_of(architecture, trunk)))
    card = card_of(architecture, file_sha256(folder / WEIGHTS_FILE))
    card = replace(card, model_sha256=model_hash(card))
    write_card(folder, replace(card, reference=choose_references(Bundle(folder, card), CANDIDATES, rounds=1)))
    return folder


def features_of(architecture: Architecture, trunk: w.Weights) -> np.ndarray:
    """What the trunk makes of phantoms, `(phantoms, features)`."""
    model, prepare = filled_trunk(architecture, SIDE, trunk), input_stage(architecture, SIDE)
    planes = reference_planes(tuple(range(PHANTOMS)), Modality.XRAY)
    return np.concatenate([np.asarray(model(prepare(planes[at : at + AT_ONCE]))) for at in range(0, PHANTOMS, AT_ONCE)])


def head_on(features: np.ndarray) -> w.Weights:
    """A head along the direction in which features differ most, so that scores differ as those of a trained one."""
    mean = features.mean(axis=0)
    *_, directions = np.linalg.svd(features - mean, full_matrices=False)
    along = directions[0] * LOGITS / ((features - mean) @ directions[0]).std()
    kernel = np.stack([along, -along], axis=1) / 2
    return {
        w.HEAD_KERNEL: kernel.astype(np.float32),
        w.HEAD_BIAS: (-mean @ kernel).astype(np.float32),
        w.OOD_MEAN: np.zeros(len(mean), np.float32),
        w.OOD_PROJECTION: np.zeros((len(mean), 1), np.float32),
    }


def card_of(architecture: Architecture, weights_sha256: str) -> Card:
    return Card(
        slug=f"untrained-{architecture.name}",
        version=VERSION,
        title=f"{architecture.name} with drawn weights, for measuring",
        modality=Modality.XRAY,
        labels=("covid", "other"),
        flag_labels=("covid",),
        operating_points={"covid": OperatingPoint(value=1.0, rule="never reached", low=1.0, high=1.0)},
        architecture=architecture.name,
        input_side=SIDE,
        pipeline=PIPELINE,
        preprocessing=architecture.preprocessing(SIDE),
        ood=OutOfDistribution(method="none", threshold=0.0),
        reference=Reference(tolerance=TOLERANCE, seeds=(), scores=()),
        files={WEIGHTS_FILE: weights_sha256},
        model_sha256="",
        licence="That of the code.",
        shortcut={"verdict": "not tested yet", "text": "It was never trained."},
        evaluations={"val": 0, "external": 0},
        limits=("Its weights are drawn: its scores say nothing about a picture.",),
    )


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    untrained(sys.argv[1], Path(sys.argv[2]))
