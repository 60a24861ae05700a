"""Run the shortcut test on a bundle and write what it found on the card."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from ml.evaluation.alterations import BORDER_ONLY, NO_LUNGS, ORIGINAL
from ml.evaluation.field import FIELD_VERSION
from ml.evaluation.leave_out import card_of
from ml.evaluation.limits import in_words
from ml.evaluation.shortcuts import ALLOWED_DROP, LIKELY, NOT_FOUND, Subject, altered_features, examine
from ml.evaluation.source_probe import source_probe
from ml.evaluation.tuned_features import tuned_features
from ml.models import weights as w
from ml.models.architectures import architecture_named
from ml.models.bundle import load_bundle, read_card
from ml.models.card import Card
from ml.models.frozen import filled_trunk
from ml.training.config import Training
from ml.training.data import DataError, Example, choose
from ml.training.export import write_card
from ml.training.features import extractor
from ml.training.head import Features, Head, scores_of
from ml.training.layouts.layout import Layout, layout_of
from ml.training.splits import grouped_folds

FOLDS: Final = 5
SEED: Final = 1
STRENGTH: Final = 0.01  # where the card does not say what the model was fitted with
FOUND: Final = "Shortcut likely: "
NO_PROOF: Final = "That does not prove that it uses the lungs."
METHOD: Final = (
    "Linear heads on frozen features of training pictures, folds grouped by patient. No lungs: two fixed ellipses, "
    f"58 % of the plane ({FIELD_VERSION}), filled with the mean of the rest. retrained: the head was fitted on the "
    "altered pictures; not retrained: on the original ones; shipped: the model itself, which has seen these pictures. "
    f"Rule: no lungs retrained at or above the original less {ALLOWED_DROP}."
)
TUNED: Final = " The trunk was tuned again for each fold, as the model was, on the pictures of the others alone."


@dataclass(frozen=True, slots=True)
class Again:
    """How a tuned model is tuned again, once per fold."""

    training: Training
    run: Path
    folds: int | None = None  # how many are held out in turn; None for all


def examine_bundle(folder: Path, data: Path, again: Again | None = None, *, layout: Layout | None = None) -> Card:
    """Test a bundle on the split `train` and write figures, verdict and a limit on its card; its hash stays.

    Args:
        folder: A bundle.
        data: A folder with the pictures.
        again: Needed for a model whose trunk was tuned.
        layout: How the folder is read; as the card says if None.

    Raises:
        DataError: `trunk_has_seen` for a tuned trunk without `again`; those of `card_of` and `read_manifest`.
        BundleError: the bundle is not what was released.
    """
    bundle = load_bundle(folder)
    card = bundle.card
    again = _needed(folder, card, again)
    collection = (layout or layout_of(card)).read(data, card.modality, card.labels)
    examples = choose(collection.examples, modality=card.modality, split="train", labels=card.labels)
    folds, seed = (again.training.folds, again.training.seed) if again else (FOLDS, SEED)
    fold = grouped_folds(examples, folds, seed)
    strength = float(card.training_data.get("how", {}).get("inverse_penalty", STRENGTH))
    tested = tuple(np.unique(fold).tolist()[: again.folds if again else None])
    subject = Subject(examples, card.labels, card.flag_labels, fold, strength, balanced_by="label", tested=tested)
    weights = w.read_bundle(bundle)
    own = _features(card, w.trunk_of(weights), examples)
    head = Head(weights[w.HEAD_KERNEL].astype(float), weights[w.HEAD_BIAS].astype(float))
    shipped = {name: scores_of(head.logits(rows)) for name, rows in own.items()}
    without = tuned_features(again.training, examples, fold, tested, again.run) if again else lambda _: own
    found = examine(subject, without, shipped)
    found["source_probe"] = {name: source_probe(own[name], examples, fold, strength) for name in (ORIGINAL, NO_LUNGS)}
    if again:
        found["folds_held_out"] = f"{len(tested)} of {again.training.folds}"
    held = [examples[int(place)] for place in subject.held]
    section = told(found, held, METHOD + (TUNED if again else ""))
    card = read_card(folder)  # again: computing took long, and others write it too
    card = replace(card, shortcut=section, limits=with_finding(card, found["labels"]))
    write_card(folder, card)
    return card


def _needed(folder: Path, card: Card, again: Again | None) -> Again | None:
    if "steps" not in card.training_data.get("how", {}):
        return None  # the trunk was never tuned
    if again is None or again.training.fine_tune is None:
        raise DataError(
            "trunk_has_seen",
            f"The trunk of {card.name} was tuned on these very pictures, so it knows them by heart.",
            "Name its configuration with --config and a folder with --run: it is tuned again once per fold.",
        )
    card_of(folder, again.training)
    return again


def told(found: Mapping[str, Any], examples: Sequence[Example], method: str) -> dict[str, Any]:
    """Return the card's section: verdict and sentences first, then how it was tested, then the figures."""
    text = " ".join(in_a_sentence(name, each) for name, each in found["labels"].items())
    return {
        "verdict": found["verdict"],
        "text": text if found["verdict"] != NOT_FOUND else f"{text} {NO_PROOF}",
        "method": method,
        "field": FIELD_VERSION,
        "pictures": len(examples),
        "patients": len({example.patient for example in examples}),
        **{key: value for key, value in found.items() if key != "verdict"},
    }


def with_finding(card: Card, labels: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the limits with one line for each shortcut that is likely, and none of an earlier test."""
    kept = [limit for limit in card.limits if not limit.startswith(FOUND)]
    return (*kept, *(FOUND + in_a_sentence(*one) for one in labels.items() if one[1]["verdict"] == LIKELY))


def in_a_sentence(label: str, figures: Mapping[str, Any]) -> str:
    """Say what is left of a label's AUC without lungs, and what the border alone gives."""
    whole, rest, border = (figures["auc"][name]["retrained"] for name in (ORIGINAL, NO_LUNGS, BORDER_ONLY))
    return (
        f"with the lungs blanked out and a new linear head the AUC for {label} is {in_words(rest)}, against "
        f"{in_words(whole)} with them; the border alone gives {in_words(border)}."
    )


def _features(card: Card, trunk: w.Weights, examples: Sequence[Example]) -> dict[str, Features]:
    architecture = architecture_named(card.architecture)
    model = filled_trunk(architecture, card.input_side, trunk)
    return altered_features(extractor(model, architecture, card.input_side), examples)
