"""What is said on the terminal, to a person or as one JSON document. Names of files are said here and nowhere else."""

import json
import sys
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from chest_client.answers import FileAnswer, Study, Upload
from chest_client.shaping import plain

SHOWN: Final = 40  # lines of a list on the terminal


@dataclass(frozen=True, slots=True)
class Rows:
    """A table. Nothing of it is cut off: other commands are given its identifiers."""

    columns: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...]

    def drawn(self) -> Table:
        """For a terminal: what does not fit goes on in the next line."""
        made = Table()
        for column in self.columns:
            made.add_column(column, overflow="fold")
        for row in self.cells:
            made.add_row(*map(Text, row))
        return made

    def plain(self) -> str:
        """For a pipe: a line for each row, with tabs between the cells."""
        return "\n".join("\t".join(row) for row in (self.columns, *self.cells))


class Voice:
    """Stdout holds the answer, stderr the progress and what went wrong."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self._out = Console(highlight=False, markup=False, soft_wrap=True)
        self._errors = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)

    def answer(self, data: object, *words: "str | Rows") -> None:
        """Give the answer: the data for machines, the words for people."""
        if self.as_json:
            sys.stdout.write(json.dumps(plain(data), ensure_ascii=False) + "\n")
            sys.stdout.flush()
            return
        for word in words:
            if not isinstance(word, Rows):
                self._out.print(word)
            elif self._out.is_terminal:
                self._out.print(word.drawn())
            else:
                sys.stdout.write(word.plain() + "\n")  # as it is: a console makes spaces of tabs
                sys.stdout.flush()

    def aside(self, words: str) -> None:
        """Say something to a person; machines are not told."""
        if not self.as_json:
            self._errors.print(words)

    def failure(self, code: str, message: str, what_to_do: str) -> None:
        """Say why the command ends."""
        told = {"error": {"code": code, "message": message, "what_to_do": what_to_do}}
        if self.as_json:
            self.answer(told)
        self._errors.print(visible(f"{message} {what_to_do} ({code})".replace("  ", " ")))

    def progress(self) -> Progress:
        """Bars on a terminal, nothing elsewhere."""
        return Progress(
            TextColumn("{task.description:>9}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self._errors,
            disable=self.as_json or not self._errors.is_terminal,
        )


def visible(text: str) -> str:
    """Give text without signs that could steer the terminal."""
    return "".join("\ufffd" if unicodedata.category(sign).startswith("C") else sign for sign in text)


def counted(upload: Upload) -> list[str]:
    """Say how many files and results there are in each state."""
    return [
        f"Upload {upload.id}: {upload.state}",
        *_counts("files", upload.items),
        *_counts("results", upload.screenings),
    ]


def _counts(what: str, by_state: Mapping[str, int]) -> list[str]:
    told = ", ".join(f"{number} {state.replace('_', ' ')}" for state, number in by_state.items() if number)
    return [f"  {what}: {told}"] if told else []


def refusals(answers: Sequence[FileAnswer]) -> list[str]:
    """List the files that were refused on the way, with the reason."""
    refused = [one for one in answers if one.code]
    lines = [f"  {visible(one.path)}: {one.message} {one.what_to_do}" for one in refused[:SHOWN]]
    more = [f"  and {len(refused) - SHOWN} more"] if len(refused) > SHOWN else []
    return [f"Refused ({len(refused)}):", *lines, *more] if refused else []


def refusals_of(answers: Sequence[FileAnswer]) -> list[dict[str, Any]]:
    return [plain(one) for one in answers if one.code]


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Rows:
    return Rows(tuple(columns), tuple(tuple(visible(str(cell)) for cell in row) for row in rows))


def studies_table(studies: Sequence[Study]) -> Rows:
    rows = [
        (one.change_number, one.id, one.modality, one.state, one.flag or "answer first", len(one.images))
        for one in studies
    ]
    return table(("change", "study", "modality", "state", "flag", "pictures"), rows)
