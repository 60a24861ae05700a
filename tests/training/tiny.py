"""The smallest training that still has every step: drawn pictures, a small network, two folds, two epochs.

Left out are the trivial baselines (forests, most of the time, tested elsewhere); tuning is kept even where the
drawn pictures are so easy that it cannot win.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from ml.models import reference
from ml.models.card import Card
from ml.models.reference import reference_plane
from ml.training import export, tuned
from ml.training import run as training_run
from ml.training.config import Training
from ml.training.finetune import Steps
from tests.evaluation.drawn import centre, draw, small

STEPS = Steps(epochs=2, batch=8, first_block=1, rate=1e-3, mixed_precision="off")
DRAWN_ONCE = cache(reference_plane)
NO_BASELINES: Mapping[str, Any] = {}


def collection(folder: Path, count: int = 64) -> Path:
    draw(folder, centre, count=count)
    return folder


def tiny(steps: Steps | None = STEPS, **changes: object) -> Training:
    changes = {"architecture": "smallcnn+pool2+dense16", "base": Path("none"), "input_side": 32} | changes
    return replace(small(**changes), directions=4, fine_tune=steps)


def run(training: Training, data: Path, out: Path, config: Path | None = None) -> Card:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export, "CANDIDATES", 32)
        patch.setattr(export, "ROUNDS", 1)
        patch.setattr(reference, "reference_plane", DRAWN_ONCE)
        patch.setattr(training_run, "_trivial", lambda *_: NO_BASELINES)
        patch.setattr(tuned, "keeps", lambda *_: True)
        return training_run.train(training, data, out, config)
