"""Ask frozen features where a picture comes from: what they know of the source, a model can use as a shortcut."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ml.evaluation.metrics import balanced_accuracy, by_patient, with_interval
from ml.training.data import Example
from ml.training.head import Features, out_of_fold_logits

FEWEST: Final = 20  # pictures that a source needs to be asked for


def source_probe(
    features: Features, examples: Sequence[Example], fold: NDArray[np.int64], strength: float
) -> dict[str, Any]:
    """Tell how well a linear head names the source of a picture, out of fold, among all and within each label.

    Within one label the source cannot be guessed from the finding: that figure is the probe proper.

    Args:
        features: float32 `(examples, features)`.
        examples: In the same order.
        fold: int64 `(examples,)`, patients whole.
        strength: Inverse L2 penalty.

    Returns:
        For "all" and for each label of at least two sources: balanced accuracy with its interval, the
        sources that were asked for and what guessing would reach. Sources under 20 pictures are left out.
    """
    told = {}
    for name in ("all", *sorted({example.label for example in examples})):
        own = [place for place, example in enumerate(examples) if name in ("all", example.label)]
        counts = Counter(examples[place].source for place in own)
        sources = tuple(sorted(source for source, count in counts.items() if count >= FEWEST))
        if len(sources) > 1:
            places = np.array([place for place in own if examples[place].source in sources])
            told[name] = _asked(features[places], [examples[p] for p in places], sources, fold[places], strength)
    return told


def _asked(
    features: Features, examples: Sequence[Example], sources: tuple[str, ...], fold: NDArray[np.int64], strength: float
) -> dict[str, Any]:
    named = [replace(example, label=example.source) for example in examples]
    logits = out_of_fold_logits(features[np.newaxis], named, sources, fold, strength=strength, balanced_by="label")
    truth, answer = np.array([sources.index(example.label) for example in named]), logits.argmax(axis=1)
    draws = by_patient([example.patient for example in examples], 0)
    return {
        "balanced_accuracy": with_interval(lambda r: balanced_accuracy(truth[r], answer[r]), draws, len(truth)),
        "guessing": round(1 / len(sources), 4),
        "sources": list(sources),
    }
