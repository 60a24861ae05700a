"""Tables that people open in a spreadsheet: every cell quoted, none of them a formula."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

# A spreadsheet runs what begins with one of these; a leading apostrophe makes it text.
STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "\n")


class _Line:
    """What `csv.writer` writes to: it keeps the last line."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> int:
        self.text = text
        return len(text)


def safe_cell(value: object) -> str:
    """Give a value as text that a spreadsheet shows and never runs. None is empty."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.lstrip(" ").startswith(STARTS) else text


def csv_lines(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """Give the header and one line for each row, in the dialect of RFC 4180."""
    line = _Line()
    writer = csv.writer(line, quoting=csv.QUOTE_ALL)
    writer.writerow(columns)
    yield line.text
    for row in rows:
        writer.writerow([safe_cell(value) for value in row])
        yield line.text
