"""A folder per class: `covid/1.png`, `normal/2.png`; or such folders within `train`, `val` and `external`."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from ml.training.data import DataError, Example, refuse_patients_on_both_sides
from ml.training.layouts.collection import BY_FILE, BY_PATIENT, PICTURES, Collection, picture, refuse_contradictions

SPLITS: Final = ("train", "val", "external")
FIGURES: Final = 8  # hexadecimal digits that decide the side of a patient


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderLayout:
    """How a folder per class is read.

    `patient_pattern` is searched in each file's name; its group `patient`, else its first group, is the patient.
    Without it every file is a group of its own. `held_out` is the share of groups that become `val` where the
    folder has no splits of its own; which ones depends on their names alone, so that new files move no old one.
    """

    source: str = "folder"
    folders: Mapping[str, str] = field(default_factory=dict)  # label -> folder, where the names differ
    patient_pattern: str | None = None
    held_out: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.held_out <= 0.5:
            raise ValueError("held_out is a share from 0 to 0.5")
        if self.patient_pattern is not None and _pattern(self.patient_pattern).groups < 1:
            raise ValueError("patient_pattern holds no group for the patient")

    def read(self, data: Path, modality: str, labels: Sequence[str]) -> Collection:
        """Read every picture of the labels' folders.

        Raises:
            DataError: `class_folder_missing`, `patient_pattern_does_not_fit`, `picture_unreadable`,
                `picture_with_two_labels`, `picture_of_two_patients`, `patient_in_two_splits`.
        """
        roots = {split: data / split for split in SPLITS if (data / split).is_dir()} or {"": data}
        left_out: Counter[str] = Counter()
        examples = [
            example
            for split, root in roots.items()
            for label in labels
            for example in self._class(root, split, label, modality, left_out)
        ]
        if "" in roots:
            examples = [replace(one, split=self._side(one.patient)) for one in examples]
        refuse_contradictions(examples)
        refuse_patients_on_both_sides(examples)
        return Collection(examples, BY_PATIENT if self.patient_pattern else BY_FILE, dict(left_out))

    def _class(self, root: Path, split: str, label: str, modality: str, left_out: Counter[str]) -> Iterator[Example]:
        folder = root / self.folders.get(label, label)
        if not folder.is_dir():
            raise DataError(
                "class_folder_missing",
                f"There is no folder {folder.relative_to(root.parent if split else root)} for the label {label!r}.",
                "Name each class folder after its label, or say which it is under [data.folders].",
            )
        files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
        for number, path in enumerate(files, 1):
            if path.suffix.lower() not in PICTURES:
                left_out["no PNG or JPEG"] += 1
                continue
            sha256, width, height = picture(path, f"number {number} of {folder.name}, in the order of names,")
            yield Example(
                path=path,
                sha256=sha256,
                modality=modality,
                label=label,
                source=self.source,
                patient=self._patient(path, number) or f"{self.source}/{sha256}",
                split=split,
                width=width,
                height=height,
            )

    def _patient(self, path: Path, number: int) -> str | None:
        if self.patient_pattern is None:
            return None
        found = re.search(self.patient_pattern, path.name)
        patient = found and (found.groupdict().get("patient") or found.group(1))
        if not patient:
            raise DataError(
                "patient_pattern_does_not_fit",
                f"patient_pattern finds no patient in the name of file {number} of {path.parent.name}.",
                "Change it so that it fits every file, or take the file out.",
            )
        return f"{self.source}/{patient}"

    def _side(self, patient: str) -> str:
        from_name = int(hashlib.sha256(patient.encode()).hexdigest()[:FIGURES], 16) / 16**FIGURES
        return "val" if from_name < self.held_out else "train"


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as problem:
        raise ValueError(f"patient_pattern is no regular expression: {problem}") from problem
