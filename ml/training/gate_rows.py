"""What the gate is taught by, as rows of numbers: chest pictures, turned and inverted ones, and all the rest."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ml.images.gate import CLASSES, INVERTED, KINDS, TURNED
from ml.images.gate_features import Numbers, describe
from ml.images.plane import make_plane
from ml.models.reference import reference_plane
from ml.training.augment import Degradation, degraded_plane, generator_for
from ml.training.data import Example
from ml.training.gate_data import LATERALS, gray_of
from ml.training.negatives.canvas import Gray
from ml.training.negatives.families import TAUGHT, Planes, for_training, misused
from ml.training.negatives.misused import ORIENTATION, POLARITY
from ml.training.splits import grouped_folds

CLEAN: Final = "clean"
DEGRADED: Final = "degraded"
PHANTOM: Final = "phantom"
NO_GROUP: Final = -1
COPIES: Final = 2  # degraded, of every chest picture
MISPLACED: Final = 2000  # inverted; of both turned families together half as many again
PHANTOMS: Final = 400  # of each kind, drawn from seeds that no card uses
FIRST_SEED: Final = 1000
UNKNOWN: Final = CLASSES.index("unknown")
WORN: Final = Degradation(rotation=5.0)
REDRAWN: Final = Degradation(crop=0.25, gamma=0.5, rotation=3.0)


@dataclass(frozen=True, slots=True)
class Rows:
    """One row per picture. Arrays share their first axis."""

    features: Numbers  # (rows, FEATURES)
    truth: NDArray[np.int64]  # place in CLASSES
    family: NDArray[np.str_]
    fold: NDArray[np.int64]  # that holds the row out, and its patient
    group: NDArray[np.int64]  # the fold that holds out the whole family, NO_GROUP for what is in every fold
    taught: NDArray[np.bool_]  # laterals are not

    def taught_without(self, fold: int) -> NDArray[np.bool_]:
        """Tell the rows that share neither patient nor family with what a fold holds out."""
        return np.asarray(self.taught & (self.fold != fold) & (self.group != fold))


class _Collected:
    """Rows as they come."""

    def __init__(self) -> None:
        self.features: list[Numbers] = []
        self.named: list[tuple[int, str, int, bool]] = []

    def add(self, plane: NDArray[np.uint8], truth: int, family: str, fold: int, *, taught: bool = True) -> None:
        self.features.append(describe(plane))
        self.named.append((truth, family, fold, taught))

    def add_all(self, planes: Planes, truth: int, fold: int) -> None:
        for family, plane in planes:
            self.add(plane, truth, family, fold)

    def rows(self, folds: int) -> Rows:
        group = {family: number % folds for number, family in enumerate(TAUGHT)}
        truth, family, fold, taught = zip(*self.named, strict=True)
        groups = [group.get(name, NO_GROUP) for name in family]
        return Rows(
            np.stack(self.features),
            np.array(truth),
            np.array(family),
            np.array(fold),
            np.array(groups),
            np.array(taught),
        )


def rows_of(examples: Sequence[Example], folds: int, seed: int) -> Rows:
    """Describe the pictures to teach by; the first rows are the examples as they are, in their order."""
    pictures = [gray_of(example) for example in examples]
    patient_fold = grouped_folds(examples, folds, seed)
    collected = _Collected()
    for copy in range(COPIES + 1):
        for example, gray, fold in zip(examples, pictures, patient_fold.tolist(), strict=True):
            rng = generator_for(seed, copy, int(example.sha256[:12], 16))
            plane = degraded_plane(gray, WORN, rng) if copy else make_plane(gray)
            family, taught = DEGRADED if copy else CLEAN, example.source != LATERALS
            collected.add(plane, CLASSES.index(example.modality), family, fold, taught=taught)
    for fold in range(folds):  # misused pictures stay in the fold of their patients
        own = [pictures[place] for place in np.flatnonzero(patient_fold == fold)]
        _add_refused(collected, own, seed, fold, folds)
        _add_phantoms(collected, fold, folds)
    return collected.rows(folds)


def _add_refused(collected: _Collected, own: Sequence[Gray], seed: int, fold: int, folds: int) -> None:
    collected.add_all(for_training(own, seed, fold, folds), UNKNOWN, fold)
    collected.add_all(misused(POLARITY, own, MISPLACED // folds, seed + 100 + fold), INVERTED, fold)
    collected.add_all(misused(ORIENTATION, own, MISPLACED * 3 // 4 // folds, seed + 200 + fold), TURNED, fold)


def _add_phantoms(collected: _Collected, fold: int, folds: int) -> None:
    """Add drawn chest pictures, upright, turned and inverted: reference scores and tests are made on such."""
    for number in range(fold, PHANTOMS, folds):
        for kind in KINDS:
            drawn = reference_plane(FIRST_SEED + number, kind)
            rng = generator_for(FIRST_SEED + number, KINDS.index(kind))
            plane = drawn if number % 4 == 0 else degraded_plane(drawn, REDRAWN, rng)
            collected.add(plane, CLASSES.index(kind.value), PHANTOM, fold)
            collected.add(255 - plane, INVERTED, "phantom_inverted", fold)
            collected.add(np.rot90(plane, 1 + number % 3), TURNED, "phantom_turned", fold)
