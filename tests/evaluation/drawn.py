"""Drawn collections: two sources of radiographs in which something given tells covid from the rest."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from ml.models.card import Card
from ml.models.reference import reference_plane
from ml.training import export
from ml.training.config import Training, read_training
from ml.training.data import Example
from ml.training.run import train
from ml.vocabulary import Modality
from tests.environment import ROOT
from tests.shipped import bundle_of
from tests.training.test_data import example, write_manifest

CONFIGS = ROOT / "ml" / "training" / "configs"
BASE = bundle_of("xray-covid-3class")
SIDE = 128

Mark = Callable[[NDArray[np.uint8]], None]  # changes the picture of a covid patient


def corner(gray: NDArray[np.uint8]) -> None:
    """A marker in the upper left corner, outside the central field."""
    gray[9:24, 9:24] = 255


def centre(gray: NDArray[np.uint8]) -> None:
    """A bright patch in the middle of the left half, well within the central field."""
    gray[48:80, 24:50] = 255


def nothing(gray: NDArray[np.uint8]) -> None:
    """No sign at all."""


def draw(folder: Path, mark: Mark, *, labels: Sequence[str] = ("covid", "normal"), count: int = 96) -> list[Example]:
    """Draw pictures, two per patient, the last quarter of them `val`; the first label carries the mark."""
    examples = []
    for number in range(count):
        patient = number // 2
        label = labels[patient % len(labels)]
        gray = reference_plane(number, Modality.XRAY)[::4, ::4].copy()
        if label == labels[0]:
            mark(gray)
        Image.fromarray(gray).save(folder / f"{number}.png")
        examples.append(
            example(
                number,
                path=Path(f"{number}.png"),
                label=label,
                source="a" if patient % 6 < 3 else "b",
                patient=f"p{patient}",
                split="train" if number < count * 3 // 4 else "val",
                width=SIDE,
                height=SIDE,
            )
        )
    write_manifest(folder, examples)
    return [replace(one, path=folder / one.path) for one in examples]


def small(name: str = "xray-covid-normal", **changes: object) -> Training:
    """A configuration that is trained in seconds."""
    plain = replace(read_training(CONFIGS / f"{name}.toml"), base=BASE, input_side=128, folds=2, passes=1, directions=6)
    return replace(plain, **changes)


def trained(training: Training, data: Path, out: Path) -> Card:
    """Train with few phantoms to choose reference scores from."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export, "CANDIDATES", 32)
        patch.setattr(export, "ROUNDS", 1)
        return train(training, data, out)
