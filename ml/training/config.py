"""What a training run is told: one TOML file, checked before anything is computed."""

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ml.models.architectures import architecture_named, refuse_side
from ml.models.card import BundleError
from ml.training.augment import Degradation
from ml.training.data import DataError
from ml.training.finetune import Steps
from ml.training.layouts.layout import Layout, ManifestLayout, read_layout
from ml.vocabulary import Modality


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """One run. `fine_tune` is None for a linear head on the frozen trunk."""

    slug: str
    version: str
    title: str
    modality: Modality
    labels: tuple[str, ...]
    flag_labels: tuple[str, ...]
    architecture: str
    input_side: int
    base: Path  # weights of the trunk: `imagenet`, `none` (drawn from the seed), a file, or a folder with a bundle
    seed: int
    folds: int
    passes: int  # degraded passes beside the clean one
    strengths: tuple[float, ...]  # inverse L2 penalties to choose from, out of fold
    balanced_by: str
    sensitivity: float  # that the operating points aim at, by patient
    directions: int  # of the distance
    percentile: float  # of out-of-fold distances that still counts as like the training pictures
    limits: tuple[str, ...]
    licence: str
    degradation: Degradation = field(default_factory=Degradation)
    fine_tune: Steps | None = None
    data: Layout = field(default_factory=ManifestLayout)
    default: bool = True  # whether the service chooses the model where nobody names one
    shared_trunk: bool = False  # the frozen trunk lies in a file of its own, which other models may share


def read_training(path: Path) -> Training:
    """Read a configuration; paths in it are relative to the working folder.

    Raises:
        DataError: `config_unreadable`, naming what is missing or unknown.
        BundleError: `architecture_unknown`, `side_too_small` or `fine_tune_not_supported`.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
        training = _training(document)
    except (OSError, KeyError, TypeError, ValueError) as problem:
        raise DataError(
            "config_unreadable",
            f"The configuration cannot be understood: {type(problem).__name__}: {problem}.",
            "Compare it with those in ml/training/configs.",
        ) from problem
    _refuse_architecture(training)
    return training


def _refuse_architecture(training: Training) -> None:
    if training.shared_trunk and training.fine_tune:
        raise DataError(
            "tuned_trunk_not_shared",
            "A trunk that is tuned for one model is no other model's trunk.",
            "Leave out shared_trunk, or the [fine_tune] part.",
        )
    architecture = architecture_named(training.architecture)
    refuse_side(architecture, training.input_side)
    last = architecture.blocks - 1 if architecture.neck.levels is None else architecture.neck.levels
    if training.fine_tune and not 0 < training.fine_tune.first_block <= last:
        raise BundleError(
            "fine_tune_not_supported",
            f"{architecture.name} cannot be tuned from block {training.fine_tune.first_block} on.",
            f"Set first_block in [fine_tune] to 1 to {last}.",
        )


def _training(document: dict[str, Any]) -> Training:
    values = dict(document)
    degradation = {name: _tuple(value) for name, value in values.pop("degradation", {}).items()}
    steps = values.pop("fine_tune", None)
    values["modality"] = Modality(values["modality"])
    values["base"] = Path(values["base"])
    return Training(
        **{name: _tuple(value) for name, value in values.items() if name != "data"},
        data=read_layout(values.get("data", {})),
        degradation=Degradation(**degradation),
        fine_tune=None if steps is None else Steps(**steps),
    )


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
