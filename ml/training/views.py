"""What the untouched front of a trunk gives, computed once per picture and degradation; and the rear after it."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.models.architectures import architecture_named
from ml.models.weights import Weights, fill
from ml.training.config import Training
from ml.training.data import Example
from ml.training.features import clean_planes, degraded_planes, extract_all, extractor
from ml.training.finetune import Steps
from ml.training.kept import key_of, refuse_other, save_array
from ml.training.linear import features_key
from ml.training.progress import shown

log = logging.getLogger(__name__)


def rear_features(
    rear: Any, view: NDArray[np.float16], places: NDArray[np.int64], batch: int = 64
) -> NDArray[np.float32]:
    """Run what the front gave for some pictures through the rest of the trunk."""
    import tensorflow as tf  # noqa: PLC0415

    compute = tf.function(lambda given: rear(given, training=False), reduce_retracing=True)
    parts = [
        compute(tf.constant(np.asarray(view[places[start : start + batch]], np.float32))).numpy()
        for start in range(0, len(places), batch)
    ]
    return np.concatenate(parts)


def views_of(
    training: Training, steps: Steps, trunk: Weights, examples: Sequence[Example], out: Path
) -> list[NDArray[np.float16]]:
    """Return what the front gives for the clean pictures, then for one degradation per epoch.

    Kept in `out` in half precision, one file each, and mapped rather than read; a run that was stopped goes
    on with the next one. Each is `(pictures, rows, columns, channels)`.
    """
    key = key_of(features_key(training, trunk, examples), steps.first_block, steps.epochs)
    refuse_other(out / "views.key", key, out / "view0.npy")
    architecture = architecture_named(training.architecture)
    front = architecture.build_front(training.input_side, steps.first_block)
    fill(front, trunk)
    extract = extractor(front, architecture, training.input_side)
    views: list[NDArray[np.float16]] = []
    for number in range(1 + steps.epochs):
        path = out / f"view{number}.npy"
        if not path.exists():
            planes = (
                degraded_planes(examples, training.degradation, training.seed, number - 1)
                if number
                else clean_planes(examples)
            )
            what = f"view {number + 1} of {1 + steps.epochs}"
            save_array(path, extract_all(extract, shown(planes, what, len(examples))).astype(np.float16))
            log.info("view %d of %d", number, steps.epochs)
        views.append(np.load(path, mmap_mode="r"))
    return views
