"""What is told of a gate: refusals of chest pictures by source, families by themselves, and its limits in words."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from safetensors.numpy import save_file

from ml.evaluation.metrics import proportion
from ml.images.gate import CARD_FILE, CLASSES, KINDS, WEIGHTS_FILE, GateWeights, Routed, packed
from ml.models.bundle import file_sha256
from ml.training.data import Example
from ml.training.gate_fit import GateTraining
from ml.training.negatives.families import EASY, may_pass
from ml.training.negatives.misused import POLARITY
from ml.vocabulary import DISCLAIMER, PIPELINE, NotAssessed

CHEST_REFUSED: Final = 0.02  # of chest pictures may be refused
LIMITS: Final = (
    "Laterals cannot be learned from its data: only a DICOM header that names the view can refuse one.",
    "It was taught by no real CT of other parts and tested on a handful: a slice of neck or belly may pass.",
    "MR, ultrasound, scintigraphy, an extremity and other CT are a few files of public packages, with wide intervals.",
    "Crops of one photograph are alike, so the interval of that family is narrower than it should be.",
    "It lets through the chest phantoms that this project draws for its own tests.",
    "Slices that this project draws may pass upside down; at least one real slice it was taught by lies so itself.",
    "A reason, turned or inverted, is given only where the picture passes once that is undone; both at once get none.",
    "A picture it refuses is not assessed; that says nothing about the patient.",
)


@dataclass(frozen=True, slots=True)
class Seen:
    """What the gate made of one picture."""

    modality: str
    reason: NotAssessed | None

    @classmethod
    def of(cls, routed: Routed) -> Self:
        return cls(routed.modality.value, routed.reason)


def chest_figures(examples: Sequence[Example], seen: Sequence[Seen]) -> dict[str, Any]:
    """Tell refusals, their reasons, and mistaken kinds: of all, and by source."""
    by_source: dict[str, list[tuple[Example, Seen]]] = defaultdict(list)
    for example, one in zip(examples, seen, strict=True):
        by_source["all"].append((example, one))
        by_source[example.source].append((example, one))
    return {source: _refused(by_source[source]) for source in sorted(by_source)}


def against_target(refused: Mapping[str, Any]) -> dict[str, Any]:
    """Tell how many chest pictures of `val` may be refused, and whether it is so: a missed target stays on the card."""
    return {"target": CHEST_REFUSED, "met": bool(refused["value"] <= CHEST_REFUSED)}


def _refused(pairs: Sequence[tuple[Example, Seen]]) -> dict[str, Any]:
    reasons = Counter(one.reason.value for _, one in pairs if one.reason is not None)
    swapped = sum(one.reason is None and one.modality != example.modality for example, one in pairs)
    return {
        "refused": proportion(reasons.total(), len(pairs)),
        "reasons": dict(sorted(reasons.items())),
        "taken_for_the_other_kind": swapped,
    }


def family_figures(pairs: Iterable[tuple[str, Seen]], *, targets: bool = False) -> dict[str, Any]:
    """Tell what part of every family passes; with `targets`, how much may, and whether it is so."""
    found: dict[str, list[bool]] = defaultdict(list)
    for family, one in pairs:
        found[family].append(one.reason is None)
    figures: dict[str, Any] = {}
    for family, passed in sorted(found.items()):
        figures[family] = proportion(sum(passed), len(passed))
        if targets:
            share, target = float(np.mean(passed)), may_pass(family)
            figures[family] |= {"easy": family in EASY, "target": target, "met": share <= target}
    return figures


def remedy_figures(pairs: Sequence[tuple[str, Seen]]) -> dict[str, Any]:
    """Tell how many turned and inverted pictures pass, and how many get the reason that says what to do."""
    figures = family_figures(pairs, targets=True)
    for family, one in figures.items():
        right = NotAssessed.POLARITY if family in POLARITY else NotAssessed.ORIENTATION
        told = [seen.reason is right for name, seen in pairs if name == family]
        one["right_reason"] = proportion(sum(told), len(told))
    return figures


def write_gate(out: Path, weights: GateWeights, figures: dict[str, Any], training: GateTraining) -> dict[str, Any]:
    """Write weights and card into a folder, and return the card."""
    out.mkdir(parents=True, exist_ok=True)
    save_file(packed(weights), out / WEIGHTS_FILE)
    (out / WEIGHTS_FILE).chmod(0o644)
    card = {
        "slug": "modality-gate",
        "version": training.version,
        "title": "Chest radiograph, axial chest CT slice, or neither",
        "kind": "gate",
        "classes": CLASSES,
        "pipeline": PIPELINE,
        "threshold": weights.threshold,
        "limits_of_distance": {kind.value: limit for kind, limit in zip(KINDS, weights.limits, strict=True)},
        "how": asdict(training),
        "files": {WEIGHTS_FILE: file_sha256(out / WEIGHTS_FILE)},
        "metrics": figures,
        "limits": LIMITS,
        "licence": "Weights for research and education only; see models/LICENSE. No images are contained.",
        "disclaimer": DISCLAIMER,
    }
    (out / CARD_FILE).write_text(json.dumps(card, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return card
