"""Which object a DICOM file is: three identifiers, read from its first tags with the standard library alone.

A sender wants to know of each object whether it was stored, and the web process decodes nothing. So the first
tags are walked, values are passed over unread, and whatever is not as the standard says (PS3.5, 7; PS3.10, 7)
ends the walk. What is not told here is found out by ingest.
"""

import re
import zlib
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from struct import Struct
from typing import BinaryIO, Final

PREAMBLE: Final = 128
MAGIC: Final = b"DICM"
IMPLICIT: Final = "1.2.840.10008.1.2"
BIG_ENDIAN: Final = "1.2.840.10008.1.2.2"
DEFLATED: Final = "1.2.840.10008.1.2.1.99"
UID: Final = re.compile(r"[0-9][0-9.]{0,63}")
LONG: Final = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"})
UNDEFINED: Final = 0xFFFFFFFF
MOST_ELEMENTS: Final = 4000
MOST_INFLATED: Final = 1024 * 1024  # bytes of a deflated data set that are looked at

META_SYNTAX: Final = (0x0002, 0x0010)
SOP_CLASS: Final = (0x0008, 0x0016)
INSTANCE: Final = (0x0008, 0x0018)
STUDY: Final = (0x0020, 0x000D)
SERIES: Final = (0x0020, 0x000E)
ITEM: Final = (0xFFFE, 0xE000)
ENDS: Final = frozenset({(0xFFFE, 0xE00D), (0xFFFE, 0xE0DD)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """The identifiers of an object as it was sent. They identify a patient's examination: never logged."""

    sop_class: str
    instance: str
    study: str
    series: str


def identify(path: Path) -> Identity | None:
    """Give the identifiers of a DICOM file, or None where they cannot be told from its first tags."""
    with path.open("rb") as file:
        if file.read(PREAMBLE + len(MAGIC))[PREAMBLE:] != MAGIC:
            return None
        syntax = _Walk(file, frozenset({META_SYNTAX}), last=(0x0002, 0xFFFF)).found().get(META_SYNTAX, "")
        if not syntax:
            return None
        data: BinaryIO = file
        if syntax == DEFLATED:
            try:
                data = BytesIO(zlib.decompressobj(-zlib.MAX_WBITS).decompress(file.read(MOST_INFLATED), MOST_INFLATED))
            except zlib.error:
                return None
        wanted = frozenset({SOP_CLASS, INSTANCE, STUDY, SERIES})
        walk = _Walk(data, wanted, last=SERIES, implicit=syntax == IMPLICIT, big=syntax == BIG_ENDIAN)
        values = walk.found()
    if not all(values.get(tag) for tag in (SOP_CLASS, INSTANCE, STUDY)):
        return None
    return Identity(
        sop_class=values[SOP_CLASS], instance=values[INSTANCE], study=values[STUDY], series=values.get(SERIES, "")
    )


class _Walk:
    """One pass over the elements of a data set, up to a last tag. Nested ones are passed over."""

    def __init__(
        self,
        file: BinaryIO,
        wanted: frozenset[tuple[int, int]],
        *,
        last: tuple[int, int],
        implicit: bool = False,
        big: bool = False,
    ) -> None:
        self._file, self._wanted, self._last, self._implicit = file, wanted, last, implicit
        order = ">" if big else "<"
        self._tag, self._short, self._length = Struct(f"{order}HH"), Struct(f"{order}H"), Struct(f"{order}I")

    def found(self) -> dict[tuple[int, int], str]:
        """Give the wanted identifiers that were found. The file is left at the first element behind the last."""
        values: dict[tuple[int, int], str] = {}
        depth = 0
        for _ in range(MOST_ELEMENTS):
            start = self._file.tell()
            raw = self._file.read(4)
            if len(raw) < 4:
                return values
            tag = self._tag.unpack(raw)
            if depth == 0 and tag > self._last:
                self._file.seek(start)
                return values
            length = self._length_of(tag)
            if length is None:
                return values
            if tag in ENDS:
                depth -= 1
            elif length == UNDEFINED:
                depth += 1  # a sequence or an item of it: what is in it follows as elements
            elif depth == 0 and tag in self._wanted:
                values[tag] = self._identifier(length)
            else:
                self._file.seek(length, 1)
            if depth < 0:
                return values
        return values

    def _length_of(self, tag: tuple[int, int]) -> int | None:
        """Read the length of an element's value; None where the file ends in it."""
        if tag[0] == ITEM[0] or self._implicit:
            return self._number(self._length)
        kind = self._file.read(2)
        if kind not in LONG:
            return self._number(self._short)
        self._file.seek(2, 1)
        return self._number(self._length)

    def _number(self, how: Struct) -> int | None:
        raw = self._file.read(how.size)
        return int(how.unpack(raw)[0]) if len(raw) == how.size else None

    def _identifier(self, length: int) -> str:
        """Read a UID; empty if it is none, or cut off."""
        if length > 66:
            self._file.seek(length, 1)
            return ""
        raw = self._file.read(length)
        text = raw.decode("ascii", "replace").strip(" \0")
        return text if len(raw) == length and UID.fullmatch(text) else ""
