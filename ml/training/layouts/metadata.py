"""A `metadata.csv` beside folders of pictures, as the public collection covid-chestxray-dataset has it.

Source:
    Cohen, Morrison, Dao: COVID-19 Image Data Collection, arXiv:2003.11597 and 2006.11988. Findings are paths
    from the general to the particular, such as Pneumonia/Viral/COVID-19.
"""

import csv
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path, PurePosixPath
from typing import Final, Literal

from ml.training.data import UNKNOWN, DataError, Example, refuse_patients_on_both_sides
from ml.training.layouts.collection import BY_PATIENT, PICTURES, Collection, picture, refuse_contradictions
from ml.training.layouts.dates import period

FILE: Final = "metadata.csv"
COLUMNS: Final = frozenset({"patientid", "finding", "modality", "view", "date", "folder", "filename"})
MODALITIES: Final = {"xray": ("X-ray",), "ct": ("CT",)}
UNDATED: Final = "undated"

Row = dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class MetadataLayout:
    """Which rows are read, under which label, and which are held out.

    A finding stands for itself and for everything under it; the longest that fits decides. Pictures of
    days after `held_out_after` become `val`, and *a patient with one such picture goes there whole*: follow-up
    is the rule in such collections, so that refusing would leave no usable date, and the other way round
    training would see pictures from after the date. A picture whose date cannot be told to lie on one side is
    left out, unless its patient is held out anyway.
    """

    findings: Mapping[str, Sequence[str]]  # label -> findings
    views: Sequence[str]  # as the column has them, such as PA, AP, "AP Supine"
    modalities: Sequence[str] = ()  # as the column has them; by the model's modality if none
    source: str = "metadata"
    held_out_after: date | None = None
    allow_missing: bool = False  # go on without the pictures whose files are not there

    def __post_init__(self) -> None:
        if any(isinstance(each, str) for each in (self.views, self.modalities, *self.findings.values())):
            raise ValueError("findings, views and modalities are lists")
        told = [_path(finding) for each in self.findings.values() for finding in each]
        if not told or len(told) != len(set(told)):
            raise ValueError("findings names none, or one finding for two labels")
        if not self.views:
            raise ValueError("views names none")
        if self.held_out_after is not None and type(self.held_out_after) is not date:  # a time of day is a date too
            raise ValueError("held_out_after is a day, such as 2020-04-01")

    def read(self, data: Path, modality: str, labels: Sequence[str]) -> Collection:
        """Read the rows that pass the filters.

        Raises:
            DataError: `metadata_unreadable`, `patient_missing`, `path_outside`, `pictures_missing`,
                `picture_unreadable`, `picture_with_two_labels`, `picture_of_two_patients`.
        """
        left_out: Counter[str] = Counter()
        wanted = tuple(self._wanted(_rows(data / FILE), modality, labels, left_out))
        found = [(line, row, label) for line, row, label in wanted if _file(data, row, line).is_file()]
        self._refuse_missing(len(wanted) - len(found), left_out)
        examples = [_example(data, row, line, label, modality, self.source) for line, row, label in found]
        refuse_contradictions(examples)
        if self.held_out_after is not None:
            examples = list(_split(examples, [row["date"] for _, row, _ in found], self.held_out_after, left_out))
        refuse_patients_on_both_sides(examples)
        return Collection(examples, BY_PATIENT, dict(left_out))

    def _wanted(
        self, rows: Sequence[tuple[int, Row]], modality: str, labels: Sequence[str], left_out: Counter[str]
    ) -> Iterator[tuple[int, Row, str]]:
        modalities = tuple(self.modalities) or MODALITIES[modality]
        for line, row in rows:
            label = self._label(row["finding"])
            why = (
                "other modality"
                if row["modality"] not in modalities
                else "other view"
                if row["view"] not in self.views
                else "other finding"
                if label not in labels
                else "no PNG or JPEG"
                if PurePosixPath(row["filename"]).suffix.lower() not in PICTURES
                else None
            )
            if why is None and label is not None:
                yield line, row, label
            else:
                left_out[why or "other finding"] += 1

    def _label(self, finding: str) -> str | None:
        path = _path(finding)
        fitting = [
            (len(one), label)
            for label, findings in self.findings.items()
            for one in map(_path, findings)
            if path[: len(one)] == one
        ]
        return max(fitting)[1] if fitting else None

    def _refuse_missing(self, missing: int, left_out: Counter[str]) -> None:
        if missing and not self.allow_missing:
            raise DataError(
                "pictures_missing",
                f"{missing} picture(s) that {FILE} names are not there.",
                "Fetch them, or set allow_missing = true under [data]: they are then left out and counted.",
            )
        if missing:
            left_out["file not there"] = missing


def _split(examples: Sequence[Example], dates: Sequence[str], after: date, left_out: Counter[str]) -> Iterator[Example]:
    sides = [_side(text, after) for text in dates]
    held = {example.patient for example, side in zip(examples, sides, strict=True) if side == "val"}
    for example, side in zip(examples, sides, strict=True):
        if example.patient in held:
            yield replace(example, split="val")
        elif side == UNDATED:
            left_out["date not told to lie on one side"] += 1
        else:
            yield replace(example, split=side)


def _side(text: str, after: date) -> Literal["train", "val", "undated"]:
    days = period(text)
    if days is None:
        return UNDATED
    if days[0] > after:
        return "val"
    return "train" if days[1] <= after else UNDATED


def _rows(path: Path) -> list[tuple[int, Row]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = csv.reader(file, strict=True)
            names = [name.strip().lower() for name in next(lines, [])]  # older versions write Patientid
            missing = sorted(COLUMNS - set(names))
            cells = [(lines.line_num, dict(zip(names, line, strict=False))) for line in lines if line]
    except (OSError, UnicodeDecodeError, csv.Error) as problem:
        raise _unreadable(f"it cannot be read ({type(problem).__name__})") from problem
    if missing:
        raise _unreadable(f"it lacks the columns {', '.join(missing)}")
    return [(number, {name: row.get(name, "").strip() for name in COLUMNS}) for number, row in cells]


def _unreadable(what: str) -> DataError:
    wanted = ", ".join(sorted(COLUMNS))
    return DataError("metadata_unreadable", f"{FILE}: {what}.", f"Name a folder with a {FILE} of the columns {wanted}.")


def _file(data: Path, row: Row, line: int) -> Path:
    path = data / row["folder"] / row["filename"]
    if not path.resolve().is_relative_to(data.resolve()):
        raise DataError("path_outside", f"Line {line} of {FILE} leaves the folder.", "Put the picture into it.")
    return path


def _example(data: Path, row: Row, line: int, label: str, modality: str, source: str) -> Example:
    if not row["patientid"]:
        raise DataError("patient_missing", f"Line {line} of {FILE} names no patient.", "Fill in patientid.")
    path = _file(data, row, line)
    sha256, width, height = picture(path, f"of line {line} of {FILE}")
    return Example(
        path=path,
        sha256=sha256,
        modality=modality,
        label=label,
        source=source,
        patient=f"{source}/{row['patientid']}",
        split="train",
        width=width,
        height=height,
        view=row["view"] or UNKNOWN,
        sublabel=row["finding"] or UNKNOWN,
    )


def _path(finding: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in finding.split("/"))
