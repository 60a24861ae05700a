"""Score a split with a shipped bundle, once, and write what it says on the card."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ml.evaluation import baselines
from ml.evaluation.detail import detailed
from ml.evaluation.limits import with_verdict
from ml.evaluation.metrics import Floats, auc, by_patient, with_interval
from ml.evaluation.report import figures, macro_auc
from ml.inference import Outcome, Scorer, load_scorer
from ml.models.card import Card
from ml.training.data import DataError, Example, choose
from ml.training.export import write_card
from ml.training.features import clean_planes
from ml.training.layouts.layout import Layout, layout_of

SPLITS: Final = ("val", "external")


@dataclass(frozen=True, slots=True)
class Reading:
    """One split, read with one bundle: its card as rewritten, the pictures, and what became of each."""

    card: Card
    examples: Sequence[Example]
    outcomes: Sequence[Outcome]

    @property
    def scored(self) -> NDArray[np.bool_]:
        return np.array([outcome.kind == "scored" for outcome in self.outcomes])

    @property
    def scores(self) -> Floats:
        """Scores `(examples, labels)`, NaN where a picture has none."""
        names = self.card.labels
        return np.array([[outcome.scores.get(name, np.nan) for name in names] for outcome in self.outcomes])


def evaluate(folder: Path, data: Path, split: str, *, again: bool = False, layout: Layout | None = None) -> Card:
    """Score one split and write figures, trivial baselines and the number of readings on the card."""
    return read_split(folder, data, split, again=again, layout=layout).card


def read_split(folder: Path, data: Path, split: str, *, again: bool = False, layout: Layout | None = None) -> Reading:
    """Score one split and write figures, trivial baselines and the number of readings on the card.

    Pictures that the distance refuses have no score; every AUC is also given with them counted as wrong,
    so that refusing cannot make a model look better.

    Args:
        folder: A bundle; its card is rewritten, its hash stays.
        data: A folder with the pictures.
        split: "val" or "external".
        again: Read a split that was read before. The card counts it.
        layout: How the folder is read; as the card says if None.

    Raises:
        DataError: `training_pictures` for any other split; `read_before`; those of the layout.
        BundleError: the bundle is not what was released.
    """
    refuse_training(split)
    scorer = load_scorer(folder)
    refuse_second(scorer.card, split, again=again)
    card = scorer.card
    collection = (layout or layout_of(card)).read(data, card.modality, card.labels).examples
    examples = choose(collection, modality=scorer.card.modality, split=split, labels=scorer.card.labels)
    reading = Reading(scorer.card, examples, score_examples(scorer, examples))
    card = with_figures(reading, split, trivial_baselines(card, collection, examples))
    write_card(folder, card)
    return replace(reading, card=card)


def refuse_training(split: str) -> None:
    """Raise `DataError` for any split that figures must not come from."""
    if split not in SPLITS:
        raise DataError(
            "training_pictures",
            f"The split {split!r} was trained on, so figures on it would be too good.",
            "Evaluate on val or external.",
        )


def refuse_second(card: Card, split: str, *, again: bool) -> None:
    """Raise `DataError` if a split was read before and this was not asked for."""
    if card.evaluations.get(split, 0) and not again:
        raise DataError(
            "read_before",
            f"{card.name} was evaluated on {split!r} before.",
            "Each reading makes the next one less honest; ask for it with --again, and the card will count it.",
        )


def with_figures(reading: Reading, split: str, trivial: Mapping[str, Any]) -> Card:
    """Return the card with the figures of a reading, its baselines, its limits, and the reading counted."""
    card = reading.card
    card = replace(
        card,
        metrics={**card.metrics, split: figures_of(reading)},
        trivial_baselines={**card.trivial_baselines, split: trivial},
        evaluations={**card.evaluations, split: card.evaluations.get(split, 0) + 1},
    )
    return replace(card, limits=with_verdict(card))


def score_examples(scorer: Scorer, examples: Sequence[Example]) -> list[Outcome]:
    """Score pictures as the service would, a batch at a time."""
    outcomes: list[Outcome] = []
    waiting: list[bytes] = []
    for plane in clean_planes(examples):
        waiting.append(plane.tobytes())
        if len(waiting) == scorer.batch_size:
            outcomes += scorer.score(waiting)
            waiting.clear()
    return outcomes + scorer.score(waiting)


def figures_of(reading: Reading) -> dict[str, Any]:
    """Compute the figures of the pictures with scores, and the AUC with the refused counted as wrong."""
    card, has, table = reading.card, reading.scored, reading.scores
    thresholds = {name: point.value for name, point in card.operating_points.items()}
    scored = [example for example, one in zip(reading.examples, has, strict=True) if one]
    told = figures(scored, card.labels, table[has], thresholds)
    told |= detailed(scored, card.labels, table[has], thresholds)
    told["not_assessed"] = int((~has).sum())
    for name in card.flag_labels:
        own = table[:, card.labels.index(name)]
        told[f"auc_{name}_by_source"] = macro_auc(scored, name, own[has])
        told[f"auc_{name}_refused_counted_wrong"] = _pessimistic(reading.examples, name, own)
    return told


def trivial_baselines(card: Card, manifest: Sequence[Example], examples: Sequence[Example]) -> dict[str, Any]:
    """Fit the trivial baselines on `train` and tell what they reach on these pictures."""
    train = choose(manifest, modality=card.modality, split="train", labels=card.labels)
    seen, given = baselines.describe(train), baselines.describe(examples)
    told = {}
    for name in card.flag_labels:
        positive = np.array([example.label == name for example in train])
        scores = {key: baselines.fitted(seen[key], positive)(given[key]) for key in seen}
        told[name] = baselines.compare(examples, scores, name)
    return told


def _pessimistic(examples: Sequence[Example], name: str, scores: Floats) -> dict[str, float | None]:
    positive = np.array([example.label == name for example in examples])
    worst = np.where(np.isnan(scores), np.where(positive, -1.0, 2.0), scores)
    draws = by_patient([example.patient for example in examples], 0)
    return with_interval(lambda rows: auc(positive[rows], worst[rows]), draws, len(examples))
