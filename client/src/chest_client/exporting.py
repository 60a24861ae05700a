"""A table of results as it streams in: given on study by study, so that one that was cut off goes on where it was.

The last row of a study holds its cursor. What came after the last cursor is dropped and asked for again.
"""

import json
import re
from typing import Final

FORMS: Final = ("csv", "ndjson")
CSV_CURSOR: Final = re.compile(rb',"([A-Za-z0-9_-]*)","[^"]*"\r\n\Z')


class Table:
    """The bytes of one export in one form. Does no I/O."""

    def __init__(self, form: str) -> None:
        if form not in FORMS:
            raise ValueError(f"The form must be one of {', '.join(FORMS)}.")
        self.form = form
        self.cursor: str | None = None
        self._line = b""  # the beginning of a row
        self._rows = b""  # whole rows of a study that is not whole yet
        self._header = form == "csv"  # whether the next row is the header
        self._headed = False

    def taken(self, piece: bytes) -> bytes:
        """Take what came; give the rows of studies that are whole now."""
        whole = b""
        *lines, rest = (self._line + piece).splitlines(keepends=True) or [b""]
        if rest.endswith(b"\n"):
            lines, rest = [*lines, rest], b""
        row = b""
        for line in lines:
            row += line
            if self.form == "csv" and row.count(b'"') % 2:
                continue  # a cell holds the end of a line
            whole += self._row(row)
            row = b""
        self._line = row + rest
        return whole

    def again(self) -> None:
        """Begin once more after the last whole study."""
        self._line = self._rows = b""
        self._header = self.form == "csv"

    def rest(self) -> bytes:
        """Give what is left at the end: the row of a table that holds no result, which says the disclaimer alone."""
        return self._rows if self.cursor is None else b""

    def _row(self, row: bytes) -> bytes:
        if self._header:
            self._header = False
            first, self._headed = not self._headed, True
            return row if first else b""
        self._rows += row
        cursor = self._cursor(row)
        if not cursor:
            return b""
        self.cursor = cursor
        whole, self._rows = self._rows, b""
        return whole

    def _cursor(self, row: bytes) -> str:
        if self.form == "csv":
            found = CSV_CURSOR.search(row)
            return found.group(1).decode() if found else ""
        return json.loads(row).get("cursor") or ""
