"""The commands of `python -m ml`. Each exits 0 only if it did what was asked."""

import argparse
import logging
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from ml.models.card import BundleError
from ml.training.data import DataError
from ml.vocabulary import DISCLAIMER

# Loaded when asked for: training needs scikit-learn, which a service that only scores does not have.
MODULES: Final = {
    "train": "ml.training.commands",
    "train_gate": "ml.training.commands",
    "evaluate": "ml.evaluation.commands",
    "shortcut": "ml.evaluation.commands",
    "loso": "ml.evaluation.commands",
    "cross_population": "ml.evaluation.commands",
    "kfold": "ml.evaluation.commands",
    "score": "ml.models.commands",
    "verify": "ml.models.commands",
    "import_weights": "ml.models.commands",
    "ship": "ml.models.commands",
    "choose": "ml.models.commands",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; expected failures become a sentence on standard error and exit status 1."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    sys.stderr.write(f"{DISCLAIMER}\n")
    try:
        command = getattr(import_module(MODULES[options.command]), options.command)
        return int(command(options))
    except (BundleError, DataError) as problem:
        sys.stderr.write(f"{problem.code}: {problem}\n")
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m ml", description=DISCLAIMER)
    commands = parser.add_subparsers(required=True, metavar="command")

    train = commands.add_parser("train", help="train a bundle from a configuration")
    train.add_argument("config", type=Path)
    _add_folders(train, "run folder; the bundle is left in it")
    train.set_defaults(command="train")

    gate = commands.add_parser("train-gate", help="train the gate that stands before the models")
    _add_folders(gate, "folder for its weights and its card")
    gate.set_defaults(command="train_gate")

    _add_evaluation(commands)

    score = commands.add_parser("score", help="score the PNG and JPEG files of a folder, one JSON line each")
    score.add_argument("folder", type=Path)
    score.add_argument("--bundle", type=Path, required=True)
    score.set_defaults(command="score")

    verify = commands.add_parser("verify", help="check hashes, shapes and reference scores")
    verify.add_argument("bundle", type=Path, help="a bundle, or a folder of bundles")
    verify.set_defaults(command="verify")

    choose = commands.add_parser("choose", help="try by what a model is computed best here")
    choose.add_argument("bundle", type=Path)
    choose.add_argument("--way", action="append", help="runtime/precision, such as openvino/fp32 (all that are here)")
    choose.add_argument("--batch-size", type=int, default=0, help="planes in one call (found by measuring)")
    choose.set_defaults(command="choose")

    shipping = commands.add_parser("ship", help="put a trained bundle among the others, its trunk into their store")
    shipping.add_argument("bundle", type=Path)
    shipping.add_argument("--out", type=Path, required=True, help="folder of bundles; <slug>/<version> is made in it")
    shipping.set_defaults(command="ship")

    _add_import(commands)
    return parser


def _add_import(commands: Any) -> None:
    brought = commands.add_parser("import", help="bring the weights of a Keras .h5 file in as a bundle")
    brought.add_argument("file", type=Path)
    brought.add_argument("--architecture", required=True, help="neck included, such as vgg16+unit+pool4+dense64")
    brought.add_argument("--labels", required=True, help="in the order of the outputs, with commas")
    brought.add_argument("--flags", default="covid", help="labels that raise a flag, with commas (covid)")
    brought.add_argument("--slug", required=True)
    brought.add_argument("--version", required=True)
    brought.add_argument("--out", type=Path, required=True, help="folder of bundles; <slug>/<version> is made in it")
    brought.add_argument("--modality", choices=("xray", "ct"), default="xray")
    brought.add_argument("--side", type=int, help="pixels of the input, if the file does not say (224)")
    brought.add_argument("--config", type=Path, help="the JSON of model.to_json(), to compare with")
    brought.add_argument("--licence", default=None, help="of the weights, if you know it")
    brought.set_defaults(command="import_weights")


def _add_evaluation(commands: Any) -> None:
    evaluate = commands.add_parser("evaluate", help="score a split: figures on the card, JSON and a page")
    _add_reading(evaluate)
    evaluate.add_argument("bundle", type=Path)
    evaluate.add_argument("--against", type=Path, help="another bundle of the same labels: the difference, paired")
    evaluate.add_argument("--out", type=Path, help="folder for JSON and page (var/reports/...)")
    evaluate.set_defaults(command="evaluate")

    shortcut = commands.add_parser("shortcut", help="test whether the lungs are needed, and say so on the card")
    shortcut.add_argument("bundle", type=Path)
    _add_data(shortcut)
    shortcut.add_argument("--config", type=Path, help="for a tuned trunk: what it was tuned by")
    shortcut.add_argument("--run", type=Path, help="for a tuned trunk: folder to tune in, once per fold")
    shortcut.add_argument("--folds", type=int, help="for a tuned trunk: how many to hold out, each a tuning (all)")
    shortcut.add_argument("--out", type=Path, help="file for the figures")
    shortcut.set_defaults(command="shortcut")

    loso = commands.add_parser("loso", help="leave one source out: train without each source, test on it")
    loso.add_argument("config", type=Path)
    _add_folders(loso, "folder that keeps the features and the figures")
    loso.add_argument("--bundle", type=Path, help="bundle of this configuration, to put the figures on its card")
    loso.add_argument("--tuned", action="store_true", help="tune without each source too, if the configuration tunes")
    loso.set_defaults(command="loso")

    cross = commands.add_parser("cross-population", help="show models the labels that they do not know")
    cross.add_argument("bundles", type=Path, nargs="+")
    _add_reading(cross)
    cross.add_argument("--out", type=Path, help="file for the table")
    cross.set_defaults(command="cross_population")

    kfold = commands.add_parser("kfold", help="cross-validate a configuration on one family of sources")
    kfold.add_argument("config", type=Path)
    _add_folders(kfold, "folder that keeps the features and the figures")
    kfold.add_argument("--family", required=True, help="how the names of the sources begin")
    kfold.add_argument("--folds", type=int, default=5)
    kfold.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    kfold.set_defaults(command="kfold")


def _add_reading(parser: argparse.ArgumentParser) -> None:
    _add_data(parser)
    parser.add_argument("--split", required=True, help="val or external")
    parser.add_argument("--again", action="store_true", help="read what was read before; the card counts it")


def _add_folders(parser: argparse.ArgumentParser, out: str) -> None:
    parser.add_argument("--data", type=Path, required=True, help="folder with the pictures")
    parser.add_argument("--out", type=Path, required=True, help=out)


def _add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, required=True, help="folder with the pictures")
    parser.add_argument("--layout", type=Path, help="configuration whose [data] part tells how they lie (the card)")
