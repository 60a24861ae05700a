"""A teacher's table of labels: read, and held against the files of an upload. Every row and every picture is told of.

What is stored of a problem is the line and a code, never a path or a value.
"""

import csv
import io
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from screening.classes.errors import LabelsUnreadable

FILE_COLUMNS: Final = ("file", "path", "filename", "image", "picture")
LABEL_COLUMNS: Final = ("label", "truth", "diagnosis", "class")
MOST_ROWS: Final = 5000
LONGEST_PATH: Final = 8192
PRESENT: Final = "present"
ABSENT: Final = "absent"


class Problem(StrEnum):
    """Why a row, or a picture, is not in the set. Codes are stable."""

    UNKNOWN_FILE = "unknown_file"
    AMBIGUOUS_FILE = "ambiguous_file"
    FILE_NOT_TAKEN = "file_not_taken"
    MISSING_LABEL = "missing_label"
    UNKNOWN_LABEL = "unknown_label"
    REPEATED_FILE = "repeated_file"
    CONFLICTING_LABELS = "conflicting_labels"
    PICTURE_WITHOUT_LABEL = "picture_without_label"


WORDS: Final[Mapping[Problem, tuple[Promise, Promise]]] = {
    Problem.UNKNOWN_FILE: (
        _("No file of the upload has this name."),
        _("Write the name, or the path, as it was when the folder was sent."),
    ),
    Problem.AMBIGUOUS_FILE: (
        _("Several files of the upload end with this name."),
        _("Write the path with its folders."),
    ),
    Problem.FILE_NOT_TAKEN: (
        _("The file was sent, but no picture came of it."),
        _("Its line in the receipt of the upload says why."),
    ),
    Problem.MISSING_LABEL: (_("The row names a file and no label."), _("Give it a label, or take the row out.")),
    Problem.UNKNOWN_LABEL: (_("This label is not known."), _("Use one of the labels that are listed here.")),
    Problem.REPEATED_FILE: (
        _("The same file stands in an earlier row, with the same label."),
        _("Nothing is lost: it is counted once."),
    ),
    Problem.CONFLICTING_LABELS: (
        _("The same study has another label in another row."),
        _("Decide for one of them: until then the study is left out."),
    ),
    Problem.PICTURE_WITHOUT_LABEL: (
        _("A study of the upload that no row gives a label."),
        _("Add a row for it, or leave it out."),
    ),
}
HARMLESS: Final = frozenset({Problem.REPEATED_FILE})  # nothing is left out because of it


@dataclass(frozen=True, slots=True)
class LabelRow:
    """One row: its line in the table, from 1; the file by path, or by the key of its path; the label as written."""

    line: int
    path: str
    label: str
    digest: str = ""


def read_labels(content: bytes) -> list[LabelRow]:
    """Read a table of labels. Commas, semicolons and tabs may stand between columns; empty lines are passed over.

    Raises:
        LabelsUnreadable: it is no CSV in UTF-8, a column is missing, or it is too large.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise LabelsUnreadable("The table is not written in UTF-8.") from error
    heading = text.partition("\n")[0]
    divider = max(",;\t", key=heading.count)
    try:
        lines = list(csv.reader(io.StringIO(text, newline=""), delimiter=divider, strict=True))
    except csv.Error as error:
        raise LabelsUnreadable("The table is not CSV.") from error
    names = [name.strip().casefold() for name in lines[0]] if lines else []
    file, label = _column(names, FILE_COLUMNS), _column(names, LABEL_COLUMNS)
    rows = [
        LabelRow(line, _cell(cells, file), _cell(cells, label))
        for line, cells in enumerate(lines[1:], start=2)
        if any(cell.strip() for cell in cells)
    ]
    if not rows:
        raise LabelsUnreadable("The table has no rows.")
    if len(rows) > MOST_ROWS:
        raise LabelsUnreadable(f"The table has more than {MOST_ROWS} rows.")
    return rows


def _column(names: Sequence[str], known: Sequence[str]) -> int:
    found = [names.index(name) for name in known if name in names]
    if not found:
        raise LabelsUnreadable(f"The first line names no column `{known[0]}`.")
    return found[0]


def _cell(cells: Sequence[str], place: int) -> str:
    value = cells[place].strip() if place < len(cells) else ""
    if len(value) > LONGEST_PATH or "\0" in value:
        raise LabelsUnreadable("A value of the table is too long, or is no text.")
    return value


def spelled(label: str) -> str:
    """A label as it is compared: case, spaces around it and the kind of gap within do not matter.

    Example:
        >>> spelled(" Non COVID ")
        'non-covid'
    """
    plain = unicodedata.normalize("NFKC", label).strip().casefold()
    return "-".join(plain.replace("_", " ").replace("-", " ").split())


def known_labels(of_models: Sequence[str]) -> dict[str, str]:
    """By spelling: the labels that a table may use, which are those of the models, `present` and `absent`."""
    return {spelled(label): label for label in (*of_models, PRESENT, ABSENT)}
