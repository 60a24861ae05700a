"""The report of one reading as plain data: what is written as JSON and laid out as a page."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ml.evaluation.curves import Points, precision_recall_points, roc_points, thinned
from ml.evaluation.difference import paired
from ml.evaluation.evaluate import Reading, read_split, refuse_second, refuse_training
from ml.evaluation.page import page_of
from ml.models.bundle import read_card
from ml.models.card import Card
from ml.training.data import DataError
from ml.training.export import write_card
from ml.training.layouts.layout import Layout


def report(
    folder: Path,
    data: Path,
    split: str,
    out: Path,
    *,
    against: Path | None = None,
    again: bool = False,
    layout: Layout | None = None,
) -> dict[str, Any]:
    """Read a split with one bundle, or two, and leave `evaluation.json` and `evaluation.html` in `out`.

    The other bundle's reading is counted on its card like any other.

    Args:
        folder: A bundle.
        data: A folder with the pictures.
        split: "val" or "external".
        out: Made if it is missing.
        against: A bundle of the same labels, to be compared with, patient by patient.
        again: Read what was read before with either.
        layout: How the folder is read; as each card says if None.

    Raises:
        DataError: `labels_differ`; those of `read_split`. Nothing is read then, and nothing counted.
    """
    refuse_training(split)
    for one in (folder, against):
        if one is not None:
            refuse_second(read_card(one), split, again=again)
    if against is not None:
        refuse_other_labels(read_card(folder), read_card(against))
    out.mkdir(parents=True, exist_ok=True)
    reading = read_split(folder, data, split, again=again, layout=layout)
    document = report_document(reading, split)
    if against is not None:
        other = read_split(against, data, split, again=again, layout=layout)
        document["against"] = difference(reading, other)
        _keep_on_card(folder, split, document["against"])
    text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)
    (out / "evaluation.json").write_text(text + "\n", encoding="utf-8")
    (out / "evaluation.html").write_text(page_of(document), encoding="utf-8")
    return document


def _keep_on_card(folder: Path, split: str, told: dict[str, Any]) -> None:
    card = read_card(folder)
    metrics = {**card.metrics, split: {**card.metrics[split], "against": told}}
    write_card(folder, replace(card, metrics=metrics))


def refuse_other_labels(first: Card, second: Card) -> None:
    """Raise `DataError` if two models do not answer the same question."""
    if (first.labels, first.modality) != (second.labels, second.modality):
        raise DataError(
            "labels_differ",
            f"{first.name} tells {', '.join(first.labels)} apart, {second.name} {', '.join(second.labels)}.",
            "Compare models of the same labels in the same order; for others see cross-population.",
        )


def report_document(reading: Reading, split: str) -> dict[str, Any]:
    """Return everything about a reading: the card's figures, curves, and the score of every picture."""
    card, has = reading.card, reading.scored
    scores = reading.scores[has]
    truth = np.array([example.label for example in reading.examples])[has]

    def lines(points_of: Any) -> dict[str, list[list[float]]]:
        each: dict[str, Points] = {n: points_of(truth == n, scores[:, k]) for k, n in enumerate(card.labels)}
        return {name: thinned(points) for name, points in each.items()}

    return {
        "disclaimer": card.disclaimer,
        "model": card.name,
        "sha256": card.model_sha256,
        "split": split,
        "readings": card.evaluations[split],
        "limits": list(card.limits),
        "figures": card.metrics[split],
        "trivial_baselines": card.trivial_baselines[split],
        "curves": {"roc": lines(roc_points), "precision_recall": lines(precision_recall_points)},
        "rows": rows_of(reading),
    }


def rows_of(reading: Reading) -> list[dict[str, Any]]:
    """Return one row per picture, so that another figure needs no other reading. No patient is named."""
    return [
        {
            "sha256": example.sha256,
            "label": example.label,
            "source": example.source,
            "outcome": outcome.kind,
            "code": outcome.code,
            "scores": {name: round(score, 6) for name, score in outcome.scores.items()},
        }
        for example, outcome in zip(reading.examples, reading.outcomes, strict=True)
    ]


def difference(first: Reading, second: Reading) -> dict[str, Any]:
    """Compare two readings of the same pictures, on those that both models scored."""
    both = first.scored & second.scored
    examples: Sequence[Any] = [example for example, one in zip(first.examples, both, strict=True) if one]
    names, flags = first.card.labels, first.card.flag_labels
    told = paired(examples, names, first.scores[both], second.scores[both], flags)
    return {"model": second.card.name, "sha256": second.card.model_sha256, **told}
