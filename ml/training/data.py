"""The manifest of a collection of pictures, and the examples chosen from it."""

import csv
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

# Originals for tests of reading; the same pictures stand, encoded again, in other splits.
SAMPLE: Final = "sample"
UNKNOWN: Final = "unknown"  # in the columns that a manifest may lack: view and sublabel
COLUMNS: Final = {"path", "sha256", "modality", "label", "source", "patient", "split", "width", "height"}


class DataError(Exception):
    """Training or evaluation data that would give a false answer: what happened and what to do."""

    def __init__(self, code: str, what_happened: str, what_to_do: str) -> None:
        self.code = code
        super().__init__(f"{what_happened} {what_to_do}")


@dataclass(frozen=True, slots=True)
class Example:
    """One picture and what is known of it."""

    path: Path
    sha256: str  # of the file
    modality: str
    label: str
    source: str
    patient: str
    split: str
    width: int  # pixels of the file at `path`
    height: int
    view: str = UNKNOWN  # PA, AP, L
    sublabel: str = UNKNOWN  # finer than the label, such as bacterial


def read_manifest(folder: Path) -> list[Example]:
    """Read `manifest.csv`, samples included.

    Raises:
        DataError: `patient_in_two_splits` if a patient stands on both sides of a cut; `manifest_unreadable`.
    """
    try:
        examples = [_example(folder, row) for row in _rows(folder / "manifest.csv")]
    except (OSError, KeyError, ValueError) as problem:
        raise DataError(
            "manifest_unreadable",
            f"manifest.csv cannot be read ({type(problem).__name__}), or lacks a column.",
            f"Name a folder with a manifest.csv of the columns {', '.join(sorted(COLUMNS))}.",
        ) from problem
    refuse_patients_on_both_sides(examples)
    return examples


def refuse_patients_on_both_sides(examples: Iterable[Example]) -> None:
    """Raise `DataError` if one patient's pictures stand in more than one split; samples do not count."""
    splits: dict[str, set[str]] = defaultdict(set)
    for example in examples:
        if example.split != SAMPLE:
            splits[example.patient].add(example.split)
    torn = sum(len(sides) > 1 for sides in splits.values())
    if torn:
        raise DataError(
            "patient_in_two_splits",
            f"{torn} patient(s) have pictures in more than one split, so the test would be partly known.",
            "Give all pictures of a patient the same split.",
        )


def choose(examples: Iterable[Example], *, modality: str, split: str, labels: Collection[str]) -> list[Example]:
    """Return the examples of one modality, split and set of labels, in the order of their hashes.

    Raises:
        DataError: `no_examples`.
    """
    chosen = [e for e in examples if e.modality == modality and e.split == split and e.label in labels]
    if not chosen:
        raise DataError(
            "no_examples",
            f"No {modality} picture of the split {split!r} carries one of the labels.",
            "Check the manifest and the labels of the configuration.",
        )
    return sorted(chosen, key=lambda example: example.sha256)


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        if missing := COLUMNS - set(rows.fieldnames or ()):
            raise KeyError(*missing)
        return list(rows)


def _example(folder: Path, row: dict[str, str]) -> Example:
    return Example(
        path=folder / row["path"],
        sha256=row["sha256"],
        modality=row["modality"],
        label=row["label"],
        source=row["source"],
        patient=row["patient"],
        split=row["split"],
        width=int(row["width"]),
        height=int(row["height"]),
        view=row.get("view") or UNKNOWN,
        sublabel=row.get("sublabel") or UNKNOWN,
    )
