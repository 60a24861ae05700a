"""Features of altered pictures by trunks that were tuned without them.

A trunk that was tuned on a picture knows its label by heart: whole pictures then look far easier than altered
ones, and the shortcut test would reassure falsely. So the tuning is done again, once per fold.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ml.evaluation.alterations import ALTERATIONS
from ml.evaluation.shortcuts import altered_features
from ml.evaluation.trunks import base_features, base_trunk
from ml.models.architectures import architecture_named
from ml.models.frozen import filled_trunk
from ml.models.weights import Weights
from ml.training.config import Training
from ml.training.data import Example
from ml.training.features import Extractor, clean_planes, extract_all, extractor
from ml.training.head import Features, Floats, Head, scores_of
from ml.training.linear import train_linear
from ml.training.repeatable import make_repeatable
from ml.training.splits import grouped_folds
from ml.training.tuned import WITHOUT_FOLDS, name_of_fold, tuned_without


def trunk_extractor(training: Training, trunk: Weights) -> Extractor:
    """Return the function from planes to what this trunk gives for them."""
    architecture = architecture_named(training.architecture)
    return extractor(filled_trunk(architecture, training.input_side, trunk), architecture, training.input_side)


def tuned_features(
    training: Training, examples: Sequence[Example], fold: NDArray[np.int64], numbers: Sequence[int], run: Path
) -> Callable[[int], dict[str, Features]]:
    """Tune once without each of some folds; return the function from a fold's number to `altered_features`.

    Args:
        training: With a `fine_tune` part.
        examples: All training pictures, those of the fold among them.
        fold: int64 `(examples,)`, patients whole.
        numbers: Which folds are held out.
        run: Folder of the run that made the model, or a new one: what is there is not computed again.
    """
    kept = run / WITHOUT_FOLDS
    for number, trunk, _ in _tuned(training, examples, fold, numbers, kept):
        path = kept / f"altered{name_of_fold(fold, number)}.npy"
        if not path.exists():
            features = altered_features(trunk_extractor(training, trunk), examples)
            part = path.with_suffix(".part.npy")
            np.save(part, np.stack([features[name] for name in ALTERATIONS]).astype(np.float16))
            part.replace(path)

    def of(number: int) -> dict[str, Features]:
        stored = np.load(kept / f"altered{name_of_fold(fold, number)}.npy").astype(np.float32)
        return dict(zip(ALTERATIONS, stored, strict=True))

    return of


def scores_tuned(
    training: Training, examples: Sequence[Example], sources: Sequence[str], run: Path
) -> Callable[[str], Floats]:
    """Tune once without each source; return the function from a source to the scores of its clean pictures.

    Returns:
        float64 `(pictures of the source, labels)`, in the order of `examples`.
    """
    fold = np.array([sources.index(example.source) for example in examples])
    scores = {}
    for number, trunk, head in _tuned(training, examples, fold, range(len(sources)), run / "sources"):
        own = [example for example in examples if example.source == sources[number]]
        scores[sources[number]] = scores_of(
            head.logits(extract_all(trunk_extractor(training, trunk), clean_planes(own)))
        )
    return lambda source: scores[source]


def _tuned(
    training: Training, examples: Sequence[Example], fold: NDArray[np.int64], numbers: Sequence[int], kept: Path
) -> Iterator[tuple[int, Weights, Head]]:
    run = kept.parent
    make_repeatable(training.seed)
    passes = base_features(training, examples, run)
    own = grouped_folds(examples, training.folds, training.seed)
    linear = train_linear(training, base_trunk(training), examples, passes, own)
    return tuned_without(training, linear, examples, passes, fold, numbers, kept)
