"""Planes in, scores out; one bad image costs only itself.

TensorFlow is imported when a scorer is loaded, never when this module is.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from ml.models.bundle import Bundle, load_bundle
from ml.models.card import BundleError, Card, OperatingPoint, OutOfDistribution, Reference
from ml.models.choosing import Choice, held_against
from ml.models.reference import reference_planes
from ml.models.runtime import EXACT, Raw, Runtime, Way, open_runtime
from ml.vocabulary import DISCLAIMER, PIPELINE, PLANE_SIDE, Modality, NotAssessed

BATCH_SIZE: Final = 32
PLANE_BYTES: Final = PLANE_SIDE * PLANE_SIDE
PLANE_MISSING: Final = "plane_missing"
NOT_FINITE: Final = "not_finite"
DEPARTS: Final = "model_departs"  # from its card, in this process
FARTHER: Final = 0.05  # of a distance: it is no result, and no card tells it

Kind = Literal["scored", "inconclusive", "failed"]


@dataclass(frozen=True, slots=True)
class Identity:
    """Which model answered, and how it was computed; stored with every result."""

    slug: str
    version: str
    sha256: str
    runtime: str
    precision: str

    @property
    def name(self) -> str:
        return f"{self.slug}@{self.version}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one plane.

    `scores` holds a value in [0, 1] for every label if `kind` is "scored" and is empty otherwise.
    `code` is a `NotAssessed` value if inconclusive, `plane_missing` or `not_finite` if failed, else None.
    `distance` is how far the picture lies from the training pictures, if it could be computed.
    """

    kind: Kind
    scores: dict[str, float] = field(default_factory=dict)
    code: str | None = None
    distance: float | None = None


class Scorer:
    """A loaded, verified, warmed model. Not safe for use by two threads at once: hold the device's lock."""

    def __init__(self, card: Card, runtime: Runtime, batch_size: int = BATCH_SIZE) -> None:
        self.card = card
        self.labels = card.labels
        self.batch_size = batch_size
        self.identity = Identity(card.slug, card.version, card.model_sha256, runtime.name, runtime.precision)
        self._runtime = runtime
        self._asked: NDArray[np.uint8] | None = None  # reference planes, once drawn
        self._distances: NDArray[np.float32] | None = None  # of them, as they were at first

    def score(self, planes: Sequence[bytes | None]) -> list[Outcome]:
        """Score planes, at most `batch_size` at once in the device.

        Args:
            planes: Each the 512 * 512 bytes of a uint8 plane, row by row. None, or another length,
                becomes a failed outcome of its own and leaves the others as they are.

        Returns:
            One outcome per plane, in the same order.
        """
        outcomes: list[Outcome] = [Outcome("failed", code=PLANE_MISSING) for _ in planes]
        whole = [(place, plane) for place, plane in enumerate(planes) if plane and len(plane) == PLANE_BYTES]
        for start in range(0, len(whole), self.batch_size):
            chunk = whole[start : start + self.batch_size]
            raw = self._runtime.run(_stack([plane for _, plane in chunk]))
            for row, (place, _) in enumerate(chunk):
                outcomes[place] = self._outcome(raw, row)
        return outcomes

    def scores_of(self, planes: NDArray[np.uint8], label: str) -> list[float]:
        """One label's scores of planes, however far they lie from the training pictures.

        Args:
            planes: uint8 `(n, 512, 512)`, a batch at most.
            label: One of the model's.
        """
        return [float(score) for score in self._runtime.run(planes).scores[:, self.labels.index(label)]]

    def departs(self, turn: int | None = None) -> str:
        """Compute the card's reference planes, and say how the scores depart from the card's; empty if they do not.

        Memory that was spoilt gives scores that look like any others: only questions with known answers tell.
        Distances, which no card knows, are held against those of the first time that all planes were computed.

        Args:
            turn: Of one plane alone, which follow each other turn by turn; None for all.
        """
        if self._asked is None:
            self._asked = reference_planes(self.card.reference.seeds, self.card.modality)
        at = slice(None) if turn is None else slice(turn % len(self._asked), turn % len(self._asked) + 1)
        planes = self._asked[at]
        raws = [self._runtime.run_anew(planes[n : n + self.batch_size]) for n in range(0, len(planes), self.batch_size)]
        scores = np.concatenate([raw.scores for raw in raws])
        distances = np.concatenate([raw.distances for raw in raws])
        told = held_against(self.card, scores, Way(self.identity.runtime, self.identity.precision), at)[1]
        if self._distances is None and turn is None:
            self._distances = distances
        if told or self._distances is None or np.allclose(distances, self._distances[at], rtol=FARTHER, atol=FARTHER):
            return told
        return "a reference plane lies elsewhere than when the model was loaded"

    def _outcome(self, raw: Raw, row: int) -> Outcome:
        scores, distance = raw.scores[row], float(raw.distances[row])
        if not (np.isfinite(scores).all() and np.isfinite(distance)):
            return Outcome("failed", code=NOT_FINITE)
        if distance > self.card.ood.threshold:
            return Outcome("inconclusive", code=NotAssessed.OUT_OF_DISTRIBUTION.value, distance=distance)
        named = {label: float(score) for label, score in zip(self.labels, scores, strict=True)}
        return Outcome("scored", scores=named, distance=distance)


def as_written(bundle: Bundle) -> Choice:  # noqa: ARG001 - the shape of a choice
    """Choose to compute a model as its card was written: what figures are computed by."""
    return Choice(EXACT, BATCH_SIZE)


def load_scorer(folder: Path, chosen: Callable[[Bundle], Choice] = as_written) -> Scorer:
    """Load a bundle, check its hashes, its shapes and what it answers, and warm it up.

    Args:
        folder: `models/<slug>/<version>`.
        chosen: Says by what it is computed here; `ml.models.choosing.choose` finds the fastest.

    Raises:
        BundleError: the bundle is not what was released, its weights do not fit the architecture, or it
            does not reproduce its reference scores, by what was chosen or in no way of computing.
    """
    bundle = load_bundle(folder)
    if not bundle.card.reference.seeds:
        raise BundleError("reference_missing", f"{bundle.card.name} holds no reference scores.", "Export it again.")
    choice = chosen(bundle)
    scorer = Scorer(bundle.card, open_runtime(bundle, choice.way), choice.batch_size)
    blank = bytes(PLANE_BYTES)
    scorer.score([blank])
    scorer.score([blank] * scorer.batch_size)
    singly = () if choice.way == EXACT else range(len(bundle.card.reference.seeds))  # as it is asked later
    told = next((told for told in map(scorer.departs, (None, *singly)) if told), "")
    if told:
        raise BundleError(
            DEPARTS,
            f"{bundle.card.name} does not reproduce its reference scores by {choice.way}: {told}.",
            "Restore the bundle, or report processor and versions.",
        )
    return scorer


def _stack(planes: Sequence[bytes]) -> NDArray[np.uint8]:
    joined = np.frombuffer(b"".join(planes), dtype=np.uint8)
    return joined.reshape(len(planes), PLANE_SIDE, PLANE_SIDE)


class NoopScorer:
    """A model that does nothing, of the same shape as `Scorer`: measures the queue around it."""

    def __init__(self, batch_size: int = BATCH_SIZE) -> None:
        self.card = NOOP_CARD
        self.labels = NOOP_CARD.labels
        self.batch_size = batch_size
        self.identity = Identity(NOOP_CARD.slug, NOOP_CARD.version, NOOP_CARD.model_sha256, "noop", "fp32")

    def score(self, planes: Sequence[bytes | None]) -> list[Outcome]:
        """Answer 0.5 for every label of every whole plane, without looking at it."""
        return [
            Outcome("scored", scores=dict.fromkeys(self.labels, 0.5), distance=0.0)
            if plane and len(plane) == PLANE_BYTES
            else Outcome("failed", code=PLANE_MISSING)
            for plane in planes
        ]

    def departs(self, turn: int | None = None) -> str:  # noqa: ARG002 - the shape of Scorer
        """Never."""
        return ""

    def scores_of(self, planes: NDArray[np.uint8], label: str) -> list[float]:  # noqa: ARG002 - the shape of Scorer
        """Answer 0.5 for every plane."""
        return [0.5] * len(planes)


NOOP_CARD: Final = Card(
    slug="noop",
    version="1",
    title="A model that does nothing, for measuring the queue",
    modality=Modality.XRAY,
    labels=("covid", "other"),
    flag_labels=("covid",),
    operating_points={"covid": OperatingPoint(value=0.99, rule="never reached", low=0.99, high=0.99)},
    architecture="none",
    input_side=PLANE_SIDE,
    pipeline=PIPELINE,
    preprocessing="none",
    ood=OutOfDistribution(method="none", threshold=0.0),
    reference=Reference(tolerance={"fp32": 0.0}, seeds=(), scores=()),
    files={},
    model_sha256="0" * 64,
    licence="That of the code.",
    limits=("It does not look at the picture.",),
    disclaimer=DISCLAIMER,
)
