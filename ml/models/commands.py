"""`python -m ml score`, `verify` and `import`."""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from ml.images.plane import plane_of_picture
from ml.images.records import Unreadable
from ml.inference import Outcome, load_scorer
from ml.models import choosing, shipping
from ml.models import verify as check
from ml.models.bundle import list_bundles, load_bundle
from ml.models.card import Card
from ml.models.importing import UNKNOWN_LICENCE, Wanted, import_keras
from ml.models.runtime import Way
from ml.vocabulary import REFUSALS, Modality


def score(options: argparse.Namespace) -> int:
    """Print one JSON line per file; 1 if a file could not be read."""
    scorer = load_scorer(options.bundle)
    paths = sorted(path for path in options.folder.rglob("*") if path.is_file())
    unread = 0
    for start in range(0, len(paths), scorer.batch_size):
        chunk = paths[start : start + scorer.batch_size]
        read = [_plane(path) for path in chunk]
        outcomes = scorer.score([plane for plane, _ in read])
        for path, (_, refusal), outcome in zip(chunk, read, outcomes, strict=True):
            unread += refusal is not None
            _say({"path": str(path.relative_to(options.folder)), **_told(outcome, refusal, scorer.card)})
    return 1 if unread else 0


def verify(options: argparse.Namespace) -> int:
    """Check a bundle, or every bundle below a folder."""
    for folder in list_bundles(options.bundle) or [options.bundle]:
        bundle = load_bundle(folder)
        runtime = check.verify(bundle)
        _say(
            {
                "model": bundle.card.name,
                "sha256": bundle.card.model_sha256,
                "runtime": runtime.name,
                "precision": runtime.precision,
                "verified": True,
            }
        )
    return 0


def import_weights(options: argparse.Namespace) -> int:
    """Bring a Keras file in and print where its bundle lies and what is not known of it."""
    wanted = Wanted(
        architecture=options.architecture,
        labels=_words(options.labels),
        flags=_words(options.flags),
        slug=options.slug,
        version=options.version,
        modality=Modality(options.modality),
        side=options.side,
        licence=options.licence or UNKNOWN_LICENCE,
    )
    card = import_keras(options.file, wanted, options.out, options.config)
    folder = options.out / card.slug / card.version
    _say({"model": card.name, "sha256": card.model_sha256, "bundle": str(folder), "limits": list(card.limits)})
    return 0


def ship(options: argparse.Namespace) -> int:
    """Put a trained bundle among the others and print where it lies."""
    folder = shipping.ship(options.bundle, options.out)
    card = load_bundle(folder).card
    _say({"model": card.name, "sha256": card.model_sha256, "bundle": str(folder), "default": card.default})
    return 0


def choose(options: argparse.Namespace) -> int:
    """Print by what a model is computed best on this machine, and what was tried: a line after each way."""
    candidates = [Way(*way.split("/", 1)) for way in options.way] if options.way else choosing.ways()
    bundle = load_bundle(options.bundle)
    choosing.choose(bundle, candidates, options.batch_size, told=lambda choice: _say(asdict(choice)))
    return 0


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(","))


def _plane(path: Path) -> tuple[bytes | None, str | None]:
    try:
        return plane_of_picture(path).tobytes(), None
    except Unreadable as problem:
        return None, problem.code


def _told(outcome: Outcome, refusal: str | None, card: Card) -> dict[str, object]:
    thresholds = {name: point.value for name, point in card.operating_points.items()}
    reached = [name for name in card.flag_labels if outcome.scores.get(name, -1.0) >= thresholds[name]]
    return {
        "model": card.name,
        "model_sha256": card.model_sha256,
        "outcome": "rejected" if refusal else outcome.kind,
        "code": refusal or outcome.code,
        "message": REFUSALS[refusal].message if refusal else None,
        "scores": outcome.scores,
        "thresholds": thresholds,
        "flagged": reached,
        "disclaimer": card.disclaimer,
    }


def _say(document: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()  # whoever waits for it may lose patience
