"""`python -m ml evaluate`, `shortcut`, `loso`, `cross-population` and `kfold`."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from ml.evaluation import kfold as folds
from ml.evaluation import leave_out, populations, shortcut_card
from ml.evaluation.document import report
from ml.models.bundle import read_card
from ml.training.config import read_training
from ml.training.layouts.layout import Layout
from ml.vocabulary import DISCLAIMER

REPORTS = Path("var") / "reports"


def evaluate(options: argparse.Namespace) -> int:
    """Score a split, write it on the card, leave JSON and page, and print the figures."""
    card = read_card(options.bundle)
    out = options.out or REPORTS / f"{card.slug}-{card.version}-{options.split}"
    told = report(
        options.bundle,
        options.data,
        options.split,
        out,
        against=options.against,
        again=options.again,
        layout=_layout(options),
    )
    _say({key: value for key, value in told.items() if key not in ("rows", "curves")} | {"written": str(out)})
    return 0


def shortcut(options: argparse.Namespace) -> int:
    """Test whether the lungs are needed; 0 whatever is found, for finding a shortcut is no failure of the test."""
    again = None
    if options.config is not None and options.run is not None:
        again = shortcut_card.Again(read_training(options.config), options.run, options.folds)
    card = shortcut_card.examine_bundle(options.bundle, options.data, again, layout=_layout(options))
    _say({"model": card.name, "sha256": card.model_sha256, **card.shortcut}, options.out)
    return 0


def loso(options: argparse.Namespace) -> int:
    """Train without each source in turn and test there."""
    training = read_training(options.config)
    told = leave_out.leave_one_source_out(
        training, options.data, options.out, bundle=options.bundle, tuned=options.tuned
    )
    name = "leave_one_source_out_tuned.json" if options.tuned else "leave_one_source_out.json"
    _say({"configuration": training.slug, **told}, options.out / name)
    return 0


def cross_population(options: argparse.Namespace) -> int:
    """Show each model what only the others know."""
    layout = _layout(options)
    told = populations.cross_population(
        options.bundles, options.data, options.split, again=options.again, layout=layout
    )
    _say(told, options.out)
    return 0


def kfold(options: argparse.Namespace) -> int:
    """Cross-validate a configuration on one family of sources."""
    training = read_training(options.config)
    told = folds.kfold(training, options.data, options.out, options.family, options.folds, options.seeds)
    _say({"configuration": training.slug, **told}, options.out / "kfold.json")
    return 0


def _layout(options: argparse.Namespace) -> Layout | None:
    return None if options.layout is None else read_training(options.layout).data


def _say(document: dict[str, Any], path: Path | None = None) -> None:
    text = json.dumps({"disclaimer": DISCLAIMER, **document}, indent=1, ensure_ascii=False) + "\n"
    sys.stdout.write(text)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
