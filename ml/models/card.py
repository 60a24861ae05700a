"""What a model says about itself: `card.json`, typed. Standard library only, so that registering is cheap."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from ml.vocabulary import DISCLAIMER, Modality

SCHEMA: Final = 1


class BundleError(Exception):
    """A bundle that must not be used: what happened, what to do, and a stable code."""

    def __init__(self, code: str, what_happened: str, what_to_do: str) -> None:
        self.code = code
        self.what_happened = what_happened
        self.what_to_do = what_to_do
        super().__init__(f"{what_happened} {what_to_do}")


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """A threshold for one label: at or above `value` the label is reached."""

    value: float
    rule: str
    low: float  # 95 % bootstrap range of the value, by patient
    high: float
    provisional: bool = True


@dataclass(frozen=True, slots=True)
class OutOfDistribution:
    """How far from the training pictures a picture may lie before its scores are withheld."""

    method: str
    threshold: float


@dataclass(frozen=True, slots=True)
class Reference:
    """What the model answers on pictures that `ml.models.reference` draws from seeds."""

    tolerance: Mapping[str, float]  # by precision: largest allowed difference of a score
    seeds: tuple[int, ...]
    scores: tuple[tuple[float, ...], ...]  # one row per seed, in the order of the labels


@dataclass(frozen=True, slots=True)
class Card:
    """Everything a bundle declares; the sections of free form are shown to people as they are."""

    slug: str
    version: str
    title: str
    modality: Modality
    labels: tuple[str, ...]
    flag_labels: tuple[str, ...]
    operating_points: Mapping[str, OperatingPoint]
    architecture: str
    input_side: int
    pipeline: str
    preprocessing: str
    ood: OutOfDistribution
    reference: Reference
    files: Mapping[str, str]  # name -> SHA-256
    model_sha256: str
    licence: str
    training_data: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    trivial_baselines: Mapping[str, Any] = field(default_factory=dict)
    shortcut: Mapping[str, Any] = field(default_factory=dict)
    evaluations: Mapping[str, int] = field(default_factory=dict)
    limits: tuple[str, ...] = ()
    disclaimer: str = DISCLAIMER
    default: bool = True  # chosen where nobody names a model

    @property
    def name(self) -> str:
        return f"{self.slug}@{self.version}"

    def as_json(self) -> dict[str, Any]:
        """Return what `card.json` holds."""
        document = {"schema": SCHEMA, **asdict(self)}
        if self.default:  # what is not said is so; cards of before say nothing
            del document["default"]
        return document


def model_hash(card: Mapping[str, Any] | Card) -> str:
    """Hash everything that decides a score: weights, architecture, labels and their order, input, distance.

    Titles, metrics, limits and operating points may be corrected without making another model of it.

    Returns:
        64 hexadecimal digits: SHA-256 over the canonical JSON of those fields.
    """
    document = card.as_json() if isinstance(card, Card) else card
    decisive = {name: document[name] for name in DECISIVE}
    canonical = json.dumps(decisive, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


DECISIVE: Final = (
    "slug",
    "version",
    "modality",
    "labels",
    "architecture",
    "input_side",
    "pipeline",
    "ood",
    "files",
)


def parse_card(text: str) -> Card:
    """Read a card from the text of `card.json`.

    Raises:
        BundleError: `card_unreadable`, naming the field that is missing or malformed.
    """
    try:
        document = json.loads(text)
        card = _card(document)
    except (KeyError, TypeError, ValueError, AttributeError) as problem:
        raise BundleError(
            "card_unreadable",
            f"card.json cannot be understood: {type(problem).__name__}: {problem}.",
            "Restore the bundle from where it was released.",
        ) from problem
    _refuse_contradictions(card)
    return card


def _card(document: Mapping[str, Any]) -> Card:
    if document["schema"] != SCHEMA:
        raise ValueError(f"schema {document['schema']!r}, expected {SCHEMA}")
    reference = document["reference"]
    return Card(
        slug=str(document["slug"]),
        version=str(document["version"]),
        title=str(document["title"]),
        modality=Modality(document["modality"]),
        labels=tuple(document["labels"]),
        flag_labels=tuple(document["flag_labels"]),
        operating_points={k: OperatingPoint(**v) for k, v in document["operating_points"].items()},
        architecture=str(document["architecture"]),
        input_side=int(document["input_side"]),
        pipeline=str(document["pipeline"]),
        preprocessing=str(document["preprocessing"]),
        ood=OutOfDistribution(**document["ood"]),
        reference=Reference(
            tolerance=dict(reference["tolerance"]),
            seeds=tuple(reference["seeds"]),
            scores=tuple(tuple(row) for row in reference["scores"]),
        ),
        files=dict(document["files"]),
        model_sha256=str(document["model_sha256"]),
        licence=str(document["licence"]),
        training_data=document["training_data"],
        metrics=document["metrics"],
        trivial_baselines=document["trivial_baselines"],
        shortcut=document["shortcut"],
        evaluations=document["evaluations"],
        limits=tuple(document["limits"]),
        disclaimer=str(document["disclaimer"]),
        default=_yes_or_no(document.get("default", True)),
    )


def _yes_or_no(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError("default is true or false")
    return value


def _refuse_contradictions(card: Card) -> None:
    problems = [
        (
            len(set(card.labels)) != len(card.labels) or len(card.labels) < 2,
            "labels repeat or are fewer than two",
        ),
        (
            not set(card.flag_labels) <= set(card.operating_points),
            "a label that flags has no operating point",
        ),
        (not set(card.operating_points) <= set(card.labels), "an operating point names an unknown label"),
        (
            len(card.reference.seeds) != len(card.reference.scores),
            "reference seeds and scores differ in number",
        ),
        (card.disclaimer != DISCLAIMER, "the disclaimer was changed"),
        (card.model_sha256 != model_hash(card), "model_sha256 does not fit what the card declares"),
    ]
    for is_wrong, what in problems:
        if is_wrong:
            raise BundleError(
                "card_contradicts_itself",
                f"The card of {card.name} was altered: {what}.",
                "Restore the bundle from where it was released.",
            )
