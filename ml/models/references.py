"""Reference scores of a new bundle, and its card on disk."""

import json
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ml.models.bundle import CARD_FILE, Bundle
from ml.models.card import Card, Reference
from ml.models.reference import reference_planes
from ml.models.runtime import open_runtime

REFERENCES: Final = 16
CANDIDATES: Final = 320  # phantoms that are drawn at a time
ROUNDS: Final = 10  # of them, for a model whose scores spread too little
LOWEST, HIGHEST = 0.02, 0.98
STEPS: Final = np.linspace(LOWEST, HIGHEST, REFERENCES)
NEAR: Final = 0.02  # to each step, and no more phantoms are drawn
TOLERANCE: Final = {"fp32": 0.001, "bf16": 0.01}


def choose_references(bundle: Bundle, candidates: int = CANDIDATES, rounds: int = ROUNDS) -> Reference:
    """Pick the seeds whose phantoms spread the first label's score most evenly over 0.02 to 0.98.

    A model that is seldom so certain of a phantom gets the widest spread among a few thousand.
    """
    runtime, card = open_runtime(bundle), bundle.card
    scores = np.empty(0, np.float32)
    for _ in range(rounds):
        drawn = [
            runtime.run(reference_planes(tuple(range(start, start + 32)), card.modality)).scores[:, 0]
            for start in range(len(scores), len(scores) + candidates, 32)
        ]
        scores = np.concatenate([scores, *drawn])
        seeds = spread(scores)
        if np.abs(scores[list(seeds)] - STEPS).max() <= NEAR:
            break
    again = runtime.run(reference_planes(seeds, card.modality)).scores
    rows = tuple(tuple(round(float(score), 6) for score in row) for row in again)
    return Reference(tolerance=TOLERANCE, seeds=seeds, scores=rows)


def spread(scores: NDArray[np.float32]) -> tuple[int, ...]:
    """Return the places of 16 scores, each the nearest left to one of 16 even steps."""
    left = set(range(len(scores)))
    chosen = []
    for step in STEPS:
        place = min(left, key=lambda one: (abs(float(scores[one]) - step), one))
        left.discard(place)
        chosen.append(place)
    return tuple(chosen)


def write_card(folder: Path, card: Card) -> None:
    """Write `card.json` so that a reader sees the old card or the new one, never half of one."""
    text = json.dumps(card.as_json(), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    part = folder / f".{CARD_FILE}.part"
    part.write_text(text, encoding="utf-8")
    part.replace(folder / CARD_FILE)
