"""Leave one source out: what a training configuration is worth on a collection that it never saw."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from ml.evaluation.limits import with_never_seen
from ml.evaluation.metrics import Floats, proportion, rounded
from ml.evaluation.report import by_source
from ml.evaluation.trunks import base_features
from ml.evaluation.tuned_features import scores_tuned
from ml.models.bundle import read_card
from ml.models.card import Card
from ml.training.config import Training
from ml.training.data import DataError, Example, choose
from ml.training.export import write_card
from ml.training.head import Features, fit_head, scores_of
from ml.training.splits import balance

SECTION: Final = "leave_one_source_out"
FEWEST: Final = 20  # pictures of a label that must be left to learn it from
LINEAR: Final = (
    "A linear head on the frozen trunk, fitted on the training pictures of all other sources with an inverse "
    "penalty of {strength}, tested on the pictures of the source itself."
)
TUNED: Final = " Then the later blocks were tuned on the other sources alone, as the released model was."
NOT_TUNED: Final = " The blocks that the released model was tuned in are as they were before."

ScoresWithout = Callable[[str], Floats]  # a source -> scores of its pictures by a model that never saw it


def leave_one_source_out(
    training: Training, data: Path, out: Path, *, bundle: Path | None = None, tuned: bool = False
) -> dict[str, Any]:
    """Train without each source in turn and test there; only the split `train` is looked at.

    Args:
        training: What decides trunk, labels, degradation and penalty (the middle one of `strengths`).
        data: A folder as the configuration describes it.
        out: Keeps features and trunks, so that a run that was stopped goes on there.
        bundle: A bundle of this configuration; the figures are put on its card, its hash stays.
        tuned: Also tune without each source, if the configuration tunes.

    Raises:
        DataError: `other_configuration` if the bundle was not made by it; those of the layout.
    """
    if bundle is not None:
        card_of(bundle, training)
    collection = training.data.read(data, training.modality, training.labels)
    examples = choose(collection.examples, modality=training.modality, split="train", labels=training.labels)
    passes = base_features(training, examples, out)
    strength = training.strengths[len(training.strengths) // 2]
    how = LINEAR.format(strength=strength)
    if tuned and training.fine_tune is not None:
        without = scores_tuned(training, examples, sources_of(examples), out)
        told = {"how": how + TUNED, **figures_of(training, examples, without)}
    else:
        without = linear_scores(training, examples, passes, strength)
        how += "" if training.fine_tune is None else NOT_TUNED
        told = {"how": how, **figures_of(training, examples, without)}
    if bundle is not None:
        section = f"{SECTION}_tuned" if tuned else SECTION
        card = read_card(bundle)  # again: computing took long, and others write it too
        limits = with_never_seen(card, told, tuned=tuned)
        write_card(bundle, replace(card, metrics={**card.metrics, section: told}, limits=limits))
    return told


def card_of(bundle: Path, training: Training) -> Card:
    """Read the card of a bundle that this configuration made, or one very like it.

    Raises:
        DataError: `other_configuration`.
    """
    card = read_card(bundle)
    if (card.slug, card.labels, card.architecture) != (training.slug, training.labels, training.architecture):
        raise DataError(
            "other_configuration",
            f"{card.name} was not made by the configuration of {training.slug}.",
            "Name the configuration that stands beside the model's name in ml/training/configs.",
        )
    return card


def figures_of(training: Training, examples: Sequence[Example], without: ScoresWithout) -> dict[str, Any]:
    """Tell what every source is met with by models that never saw it, where the others hold enough of every label."""
    told: dict[str, Any] = {"sources": {}}
    for source in sources_of(examples):
        left = Counter(example.label for example in examples if example.source != source)
        short = [name for name in training.labels if left[name] < FEWEST]
        own = [example for example in examples if example.source == source]
        told["sources"][source] = (
            {"not_tested": f"without it only {left[short[0]]} pictures of {short[0]} are left to learn from"}
            if short
            else _one(training, own, without(source))
        )
    for name in training.flag_labels:
        values = [value for each in told["sources"].values() if (value := _auc_of(each, name)) is not None]
        told |= {f"mean_auc_{name}": rounded(float(np.mean(values)))} if values else {}
    return told


def sources_of(examples: Sequence[Example]) -> list[str]:
    return sorted({example.source for example in examples})


def linear_scores(training: Training, examples: Sequence[Example], passes: Features, strength: float) -> ScoresWithout:
    """Return the function from a source to its scores by a linear head fitted on all others."""

    def without(source: str) -> Floats:
        away = np.array([example.source == source for example in examples])
        rest, held = [int(p) for p in np.flatnonzero(~away)], [int(p) for p in np.flatnonzero(away)]
        truth = np.array([training.labels.index(examples[place].label) for place in rest])
        weights = balance([examples[place] for place in rest], training.balanced_by)
        head = fit_head(passes[:, rest], truth, weights, strength=strength, classes=len(training.labels))
        return scores_of(head.logits(passes[0, held]))

    return without


def _one(training: Training, own: Sequence[Example], scores: Floats) -> dict[str, Any]:
    told: dict[str, Any] = by_source(own, training.labels, scores, training.seed)[own[0].source]
    return {**told, **{f"called_{name}": called(own, training.labels, scores, name) for name in training.flag_labels}}


def called(examples: Sequence[Example], names: Sequence[str], scores: Floats, label: str) -> dict[str, Any]:
    """Return, for the pictures of each true label, the share whose highest score is `label`, exact interval."""
    answers = scores.argmax(axis=1) == names.index(label)
    truth = np.array([example.label for example in examples])
    return {
        str(name): proportion(int(answers[truth == name].sum()), int((truth == name).sum()))
        for name in np.unique(truth)
    }


def _auc_of(figures: Mapping[str, Any], label: str) -> float | None:
    """Return the mean AUC of the pairs that hold a label."""
    pairs = figures.get("auc_between", {})
    values = [each["value"] for name, each in pairs.items() if label in name.split(" / ")]
    return float(np.mean(values)) if values else None
