"""Chest pictures for the gate."""

from collections.abc import Sequence
from typing import Final

from ml.images.plain import read_plain
from ml.training.data import Example, choose
from ml.training.negatives.canvas import Gray

LABELS: Final = {"xray": ("covid", "pneumonia", "normal"), "ct": ("covid", "non_covid")}
# What stands in this source's `train` are laterals: they count as refused or not, and nothing is taught by them.
LATERALS: Final = "ozanguldali/ieee8023"


def chest(manifest: Sequence[Example], split: str) -> list[Example]:
    """Return the chest pictures of both modalities in one split."""
    present = {example.modality for example in manifest if example.split == split}
    return [
        example
        for modality, labels in LABELS.items()
        if modality in present
        for example in choose(manifest, modality=modality, split=split, labels=labels)
    ]


def gray_of(example: Example) -> Gray:
    """Read an example's gray values."""
    return read_plain(example.path.read_bytes()).gray
