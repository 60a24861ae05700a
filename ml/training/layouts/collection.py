"""A collection of pictures as read from disk, whatever its layout, and what must be said of it."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ml.images.plain import read_plain
from ml.images.records import Unreadable
from ml.training.data import DataError, Example

PICTURES: Final = frozenset({".png", ".jpg", ".jpeg"})
BY_PATIENT: Final = "by patient"
BY_FILE: Final = "by file: no patient is known"
NO_PATIENT_KNOWN: Final = (
    "No patient is known of the training pictures: folds and hold-out could not be grouped by patient, only by "
    "file. Pictures of one patient may stand on both sides, so every figure may be too good."
)


@dataclass(frozen=True, slots=True)
class Collection:
    """Examples of every split, how they are grouped, and how many files were left out for what reason."""

    examples: Sequence[Example]
    grouping: str = BY_PATIENT
    left_out: Mapping[str, int] = field(default_factory=dict)

    @property
    def limits(self) -> tuple[str, ...]:
        """Lines for the card of a model trained on it."""
        return (NO_PATIENT_KNOWN,) if self.grouping == BY_FILE else ()

    def told(self) -> dict[str, Any]:
        """Return what card and run folder say of it."""
        left_out = {"left_out": dict(sorted(self.left_out.items()))} if self.left_out else {}
        patients = {"patients": "unknown"} if self.grouping == BY_FILE else {}
        return {"grouping": self.grouping, **patients, **left_out}


def data_hash(examples: Iterable[Example]) -> str:
    """Hash what was trained on: every picture's bytes, label, source, patient and split, in no particular order."""
    lines = sorted(f"{e.sha256}\0{e.label}\0{e.source}\0{e.patient}\0{e.split}" for e in examples)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def picture(path: Path, where: str) -> tuple[str, int, int]:
    """Return a picture's SHA-256, width and height.

    Args:
        path: PNG or JPEG.
        where: Its place in words for the refusal, which names no file: names may be those of patients.

    Raises:
        DataError: `picture_unreadable`.
    """
    try:
        data = path.read_bytes()
        rows, columns = read_plain(data).gray.shape
    except (OSError, Unreadable) as problem:
        reason = problem.code if isinstance(problem, Unreadable) else type(problem).__name__
        raise DataError(
            "picture_unreadable",
            f"The picture {where} cannot be read ({reason}).",
            "Replace it by a whole PNG or JPEG file, or take it out.",
        ) from problem
    return hashlib.sha256(data).hexdigest(), columns, rows


def refuse_contradictions(examples: Sequence[Example]) -> None:
    """Refuse a picture that carries two labels, or that two patients claim.

    Raises:
        DataError: `picture_with_two_labels` or `picture_of_two_patients`.
    """
    _refuse_two({(e.sha256, e.label) for e in examples}, "picture_with_two_labels", "stand under two labels")
    _refuse_two({(e.sha256, e.patient) for e in examples}, "picture_of_two_patients", "belong to two patients")


def _refuse_two(pairs: Iterable[tuple[str, str]], code: str, what: str) -> None:
    count = Counter(sha256 for sha256, _ in pairs)
    if torn := sum(number > 1 for number in count.values()):
        raise DataError(code, f"{torn} picture(s) {what}, byte for byte the same.", "Keep each picture once.")
