"""`python -m ml train` and `train-gate`."""

import argparse
import json
import sys

from ml.training.config import read_training
from ml.training.gate import train_gate as fit_gate
from ml.training.gate_fit import GateTraining
from ml.training.run import train as fit


def train(options: argparse.Namespace) -> int:
    """Train a bundle and print its out-of-fold figures."""
    training = read_training(options.config)
    card = fit(training, options.data, options.out, options.config)
    figures = {"metrics": card.metrics, "trivial_baselines": card.trivial_baselines}
    _say({"model": card.name, "sha256": card.model_sha256, **figures})
    return 0


def train_gate(options: argparse.Namespace) -> int:
    """Train the gate and print its figures."""
    _say(fit_gate(options.data, options.out, GateTraining())["metrics"])
    return 0


def _say(document: object) -> None:
    sys.stdout.write(json.dumps(document, indent=1) + "\n")
