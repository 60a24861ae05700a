"""The cross-population table: what a model calls pictures of a label that it does not know.

A model of covid and normal must call a pneumonia something; how often it says covid tells whether it knows
covid or only "not normal". The idea is that of the first tutorials on these collections.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from ml.evaluation.evaluate import refuse_training, score_examples
from ml.evaluation.metrics import proportion
from ml.inference import Outcome, load_scorer
from ml.models.bundle import read_card
from ml.models.card import Card
from ml.training.data import DataError, Example, choose
from ml.training.export import write_card
from ml.training.layouts.layout import Layout, layout_of

SECTION: Final = "cross_population"


def cross_population(
    bundles: Sequence[Path], data: Path, split: str, *, again: bool = False, layout: Layout | None = None
) -> dict[str, Any]:
    """Show every bundle the pictures of the labels that only the others know, and count it on the cards.

    The columns of its own labels come from its card, so that nothing is read again.

    Args:
        bundles: Two or more, of one modality, that share a label that flags.
        data: A folder with the pictures.
        split: "val" or "external".
        again: Read pictures that a bundle was shown before.
        layout: How the folder is read; as the first card says if None.

    Returns:
        Model to population to the share called covid (or whichever label flags), with exact intervals.

    Raises:
        DataError: `training_pictures`, `read_before`, `nothing_to_cross`; those of the layout.
    """
    refuse_training(split)
    cards = {folder: read_card(folder) for folder in bundles}
    label = shared_label(list(cards.values()))
    labels = sorted({name for card in cards.values() for name in card.labels})
    first = next(iter(cards.values()))
    collection = (layout or layout_of(first)).read(data, first.modality, labels)
    counted = f"{SECTION}_{split}"
    for card in cards.values():
        if card.evaluations.get(counted, 0) and not again:
            raise DataError("read_before", f"{card.name} was shown these pictures before.", "Ask with --again.")
    table = {}
    for folder, card in cards.items():
        foreign = sorted({name for other in cards.values() for name in other.labels} - set(card.labels))
        examples = choose(collection.examples, modality=card.modality, split=split, labels=foreign)
        told = _own(card, split, label) | _foreign(card, label, examples, score_examples(load_scorer(folder), examples))
        table[card.name] = told
        write_card(
            folder,
            replace(
                card,
                metrics={**card.metrics, SECTION: {**card.metrics.get(SECTION, {}), split: told}},
                evaluations={**card.evaluations, counted: card.evaluations.get(counted, 0) + 1},
            ),
        )
    return {"split": split, "called": label, "models": table}


def shared_label(cards: Sequence[Card]) -> str:
    """Return the flagging label that all models know.

    Raises:
        DataError: `nothing_to_cross`, if they share none, differ in modality, or know the same labels.
    """
    shared = set.intersection(*(set(card.flag_labels) for card in cards))
    if len(shared) != 1 or len({card.modality for card in cards}) > 1 or len({card.labels for card in cards}) < 2:
        raise DataError(
            "nothing_to_cross",
            "The models share no single label that flags, differ in modality, or know the same labels.",
            "Name a covid/normal and a covid/pneumonia model.",
        )
    return shared.pop()


def _own(card: Card, split: str, label: str) -> dict[str, Any]:
    confusion = card.metrics.get(split, {}).get("confusion", {})
    return {
        name: {"known": True, "called": proportion(row[label], sum(row.values()))} for name, row in confusion.items()
    }


def _foreign(card: Card, label: str, examples: Sequence[Example], outcomes: Sequence[Outcome]) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for name in sorted({example.label for example in examples}):
        own = [(e, o) for e, o in zip(examples, outcomes, strict=True) if e.label == name]
        sources = sorted({example.source for example, _ in own})
        told[name] = {"known": False, **_share(card, label, [outcome for _, outcome in own])} | {
            "sources": {source: _share(card, label, [o for e, o in own if e.source == source]) for source in sources}
        }
    return told


def _share(card: Card, label: str, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    scores = [outcome.scores for outcome in outcomes if outcome.kind == "scored"]
    own = np.array([each[label] for each in scores])
    highest = sum(max(each, key=lambda name: each[name]) == label for each in scores)
    flagged = int((own >= card.operating_points[label].value).sum()) if scores else 0
    return {
        "called": proportion(highest, len(scores)),
        "flagged": proportion(flagged, len(scores)),
        "not_assessed": len(outcomes) - len(scores),
    }
