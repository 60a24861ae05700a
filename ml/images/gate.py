"""The gate: chest radiograph, axial chest CT slice, or neither. NumPy only, under 2 ms a plane.

A small classifier on a thumbnail and on the directions of its edges. What it cannot learn from the
data it has: lateral views, which only a DICOM header can tell.
"""

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load

from ml.models.resample import resampling_matrix
from ml.vocabulary import PIPELINE, PLANE_SIDE, Modality

BUNDLE: Final = Path(__file__).resolve().parents[2] / "models" / "modality-gate" / "1.0.0"
# Not card.json: the gate is no model to choose, so lists of bundles pass it by.
CARD_FILE: Final = "gate.json"
WEIGHTS_FILE: Final = "weights.safetensors"
CLASSES: Final = (Modality.XRAY, Modality.CT, Modality.UNKNOWN)
COARSE: Final = 24  # pixels a side of the thumbnail
FINE: Final = 64  # pixels a side of the picture whose edges count
CELLS: Final = 8  # a side; each holds FINE / CELLS pixels a side
DIRECTIONS: Final = 8  # of edges, without sign: 0 to 180 degrees
FLAT: Final = 2.0  # standard deviation in gray values below which a picture shows nothing


class GateError(Exception):
    """The gate's own weights are missing or were changed."""


@dataclass(frozen=True, slots=True)
class Routed:
    """What the gate saw. `modality` is UNKNOWN unless one kind's score reaches its threshold."""

    modality: Modality
    chest: float  # score that it is either kind of chest picture, in [0, 1]
    scores: dict[str, float]  # "xray", "ct", "unknown"; they sum to 1


@dataclass(frozen=True, slots=True)
class GateWeights:
    """A standardised linear classifier and the threshold that a chest picture has to reach."""

    kernel: NDArray[np.float32]  # (FEATURES, 3), columns as in CLASSES
    bias: NDArray[np.float32]  # (3,)
    threshold: float


def route(plane: NDArray[np.uint8]) -> Routed:
    """Tell what a plane shows.

    Args:
        plane: uint8 `(512, 512)`. Never modified.

    Raises:
        ValueError: another shape or dtype.
        GateError: the shipped weights are missing or were changed.
    """
    if plane.shape != (PLANE_SIDE, PLANE_SIDE) or plane.dtype != np.uint8:
        raise ValueError(f"the gate reads uint8 planes of side {PLANE_SIDE}, got {plane.dtype} {plane.shape}")
    return decide(describe(plane), shipped())


def decide(features: NDArray[np.float32], weights: GateWeights) -> Routed:
    """Turn the numbers of `describe` into an answer."""
    logits = features @ weights.kernel + weights.bias
    parts = np.exp(logits - logits.max())
    parts /= parts.sum()
    scores = {kind.value: float(part) for kind, part in zip(CLASSES, parts, strict=True)}
    kind = max((Modality.XRAY, Modality.CT), key=lambda one: scores[one.value])
    certain = scores[kind.value] >= weights.threshold
    chest = scores[Modality.XRAY.value] + scores[Modality.CT.value]
    return Routed(kind if certain else Modality.UNKNOWN, chest, scores)


def describe(plane: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the numbers that the gate decides on.

    Returns:
        float32 `(FEATURES,)`: a thumbnail of mean 0 and deviation 1; for each of 8 x 8 cells the part of
        edges in each of 8 directions and how much edge there is; the histogram in 16 bins; how alike the
        halves left and right, and above and below, are.

    Source:
        Cells of edge directions: Dalal and Triggs, Histograms of Oriented Gradients, CVPR 2005.
    """
    fine = _fine(plane)
    coarse = _coarse(fine)
    unit = (coarse - coarse.mean()) / max(float(coarse.std()), FLAT)
    counts = np.bincount(plane.reshape(-1) >> 4, minlength=16)
    histogram = np.sqrt(counts / plane.size)
    mirrored = [np.mean(unit * unit[:, ::-1]), np.mean(unit * unit[::-1])]
    parts = (unit.reshape(-1), _edges(fine), histogram, np.array(mirrored))
    return np.concatenate(parts).astype(np.float32)


FEATURES: Final = COARSE * COARSE + CELLS * CELLS * (DIRECTIONS + 1) + 16 + 2


def _fine(plane: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the means of 8 x 8 pixels. Sums, not a matrix product: that would wake every core for a plane."""
    step = PLANE_SIDE // FINE
    lines = plane.reshape(FINE, step, PLANE_SIDE).sum(axis=1, dtype=np.uint16)
    sums = lines.reshape(FINE, FINE, step).sum(axis=2, dtype=np.uint32)
    means: NDArray[np.float32] = (sums / np.float32(step * step)).astype(np.float32)
    return means


def _coarse(fine: NDArray[np.float32]) -> NDArray[np.float32]:
    matrix = _matrix()
    small: NDArray[np.float32] = (matrix @ fine @ matrix.T).astype(np.float32, copy=False)
    return small


def _edges(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    down, across = np.gradient(picture)
    strength = np.hypot(down, across)
    direction = np.floor(np.arctan2(down, across) % np.pi * (DIRECTIONS / np.pi)).astype(np.int64) % DIRECTIONS
    place = np.arange(FINE) // (FINE // CELLS)
    cell = place[:, None] * CELLS + place[None, :]
    sums = np.bincount((cell * DIRECTIONS + direction).reshape(-1), strength.reshape(-1), CELLS**2 * DIRECTIONS)
    per_cell = sums.reshape(CELLS**2, DIRECTIONS)
    total = per_cell.sum(axis=1, keepdims=True)
    shares = np.sqrt(per_cell / (total + 8.0 * FLAT))
    return np.concatenate([shares.reshape(-1), np.log1p(total).reshape(-1) / 4.0]).astype(np.float32)


@cache
def _matrix() -> NDArray[np.float32]:
    return resampling_matrix(FINE, COARSE)


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
    tensors = load(data)
    return GateWeights(tensors["kernel"], tensors["bias"], float(card["threshold"]))
