"""The gate: chest radiograph, axial chest CT slice, or neither, and why not. NumPy only, about 0.5 ms a plane.

A small network on the numbers of `gate_features`, and a distance from the chest pictures it was taught by.
What it cannot learn from the data it has: lateral views, which only a DICOM header can tell.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load

from ml.images.gate_features import Numbers, describe
from ml.vocabulary import PIPELINE, PLANE_SIDE, Modality, NotAssessed

VERSION: Final = "2.1.0"
NAME: Final = f"modality-gate@{VERSION}"  # stands among the facts of every picture that it was asked about
BUNDLE: Final = Path(__file__).resolve().parents[2] / "models" / "modality-gate" / VERSION
# Not card.json: the gate is no model to choose, so lists of bundles pass it by.
CARD_FILE: Final = "gate.json"
WEIGHTS_FILE: Final = "weights.safetensors"
CLASSES: Final = ("xray", "ct", "unknown", "inverted", "turned")
KINDS: Final = (Modality.XRAY, Modality.CT)  # the first of CLASSES, in their order
INVERTED: Final = CLASSES.index("inverted")
TURNED: Final = CLASSES.index("turned")

Plane = NDArray[np.uint8]


class GateError(Exception):
    """The gate's own weights are missing or were changed."""


@dataclass(frozen=True, slots=True)
class Routed:
    """What the gate saw."""

    modality: Modality  # UNKNOWN exactly if there is a reason
    reason: NotAssessed | None  # NOT_CHEST, OUT_OF_DISTRIBUTION, ORIENTATION or POLARITY
    scores: dict[str, float]  # of every class; they sum to 1
    distance: float  # from pictures of the likelier kind; 1 is the farthest that is let through

    @property
    def chest(self) -> float:
        """The score that it is either kind of chest picture, in [0, 1]."""
        return sum(self.scores[kind.value] for kind in KINDS)


@dataclass(frozen=True, slots=True)
class GateWeights:
    """One hidden layer over the features, and typical pictures of both kinds to measure distances from."""

    first: Numbers  # (FEATURES, hidden)
    first_bias: Numbers
    second: Numbers  # (hidden, 5), columns as in CLASSES
    second_bias: Numbers
    centre: Numbers  # (FEATURES,)
    axes: Numbers  # (FEATURES, n): main directions of the chest pictures, features made alike in spread
    typical: tuple[Numbers, ...]  # as in KINDS, each (m, n): means of groups of alike pictures
    limits: tuple[float, ...]  # as in KINDS: what 99 of 100 pictures keep to the nearest of them, out of fold
    threshold: float = 0.0  # score that a kind has to reach


def route(plane: Plane) -> Routed:
    """Tell what a plane shows.

    Args:
        plane: uint8 `(512, 512)`. Never modified.

    Returns:
        ORIENTATION and POLARITY only where the picture passes once it is turned or inverted.

    Raises:
        ValueError: another shape or dtype.
        GateError: the shipped weights are missing or were changed.
    """
    if plane.shape != (PLANE_SIDE, PLANE_SIDE) or plane.dtype != np.uint8:
        raise ValueError(f"the gate reads uint8 planes of side {PLANE_SIDE}, got {plane.dtype} {plane.shape}")
    return route_with(plane, shipped())


def route_with(plane: Plane, weights: GateWeights) -> Routed:
    """Do what `route` does with any weights."""
    seen = decide(describe(plane), weights)
    if seen.reason is not NotAssessed.NOT_CHEST:
        return seen
    likely = max(CLASSES, key=lambda name: seen.scores[name])
    if likely == "inverted" and _passes([255 - plane], weights):
        return _refused(seen, NotAssessed.POLARITY)
    if likely == "turned" and _passes((np.rot90(plane, turns) for turns in (2, 1, 3)), weights):
        return _refused(seen, NotAssessed.ORIENTATION)
    return seen


def _passes(planes: Iterable[Plane], weights: GateWeights) -> bool:
    return any(decide(describe(plane), weights).reason is None for plane in planes)


def decide(features: Numbers, weights: GateWeights) -> Routed:
    """Turn the numbers of `describe` into an answer; `route_with` looks for a remedy on top."""
    hidden = np.maximum(features @ weights.first + weights.first_bias, 0)
    logits = hidden @ weights.second + weights.second_bias
    parts = np.exp(logits - logits.max())
    parts /= parts.sum()
    scores = {name: float(part) for name, part in zip(CLASSES, parts, strict=True)}
    kind = max(KINDS, key=lambda one: scores[one.value])
    place = KINDS.index(kind)
    there = (features[None] - weights.centre) @ weights.axes
    distance = _to_nearest(there, weights.typical[place])[0] / weights.limits[place]
    seen = Routed(kind, None, scores, float(distance))
    if scores[kind.value] < weights.threshold:
        return _refused(seen, NotAssessed.NOT_CHEST)
    return seen if distance <= 1.0 else _refused(seen, NotAssessed.OUT_OF_DISTRIBUTION)


def _refused(seen: Routed, reason: NotAssessed) -> Routed:
    return Routed(Modality.UNKNOWN, reason, seen.scores, seen.distance)


def distances(rows: Numbers, weights: GateWeights) -> NDArray[np.float64]:
    """Measure how far pictures lie from the nearest typical one of each kind: `(rows, FEATURES)` to `(rows, 2)`."""
    places = (rows - weights.centre) @ weights.axes
    return np.stack([_to_nearest(places, typical) for typical in weights.typical], axis=1)


def _to_nearest(places: NDArray[np.floating], typical: Numbers) -> NDArray[np.float64]:
    apart = places[:, None, :].astype(np.float64) - typical[None]
    return np.asarray(np.sqrt(np.einsum("rtn,rtn->rt", apart, apart).min(axis=1)))


@cache
def shipped() -> GateWeights:
    """Load the shipped weights once, after comparing their hash with their card.

    Raises:
        GateError: they are missing or were changed.
    """
    return load_gate(BUNDLE)


def load_gate(folder: Path) -> GateWeights:
    """Load a gate from its folder; see `shipped`."""
    try:
        card = json.loads((folder / CARD_FILE).read_text(encoding="utf-8"))
        data = (folder / WEIGHTS_FILE).read_bytes()
    except (OSError, ValueError) as problem:
        raise GateError("The gate's weights or card are missing. Restore models/modality-gate.") from problem
    if hashlib.sha256(data).hexdigest() != card["files"][WEIGHTS_FILE] or card["pipeline"] != PIPELINE:
        raise GateError("The gate's weights were changed, or are of other planes. Restore models/modality-gate.")
    return unpacked(load(data), float(card["threshold"]), [card["limits_of_distance"][kind.value] for kind in KINDS])


def unpacked(tensors: dict[str, Numbers], threshold: float, limits: Sequence[float]) -> GateWeights:
    """Put the arrays of a file, named as in `packed`, into their places."""
    named = {name: tensors[name] for name in ("first", "first_bias", "second", "second_bias", "centre", "axes")}
    typical = tuple(tensors[f"typical_{kind.value}"] for kind in KINDS)
    return GateWeights(**named, typical=typical, limits=tuple(limits), threshold=threshold)


def packed(weights: GateWeights) -> dict[str, Numbers]:
    """Name the arrays for a file."""
    named = {
        name: getattr(weights, name) for name in ("first", "first_bias", "second", "second_bias", "centre", "axes")
    }
    typical = {f"typical_{kind.value}": found for kind, found in zip(KINDS, weights.typical, strict=True)}
    return named | typical
