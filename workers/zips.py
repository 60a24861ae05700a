"""Reading a zip that a stranger made. What its headers say is believed only where it counts against it.

Directory entries and the resource forks of macOS (`__MACOSX/`) are no files and become no items.
"""

import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

PART: Final = 1024 * 1024
RATIO: Final = 100  # expanded to packed; radiographs and CT stay below ten, blank phantoms are small
MEMBER_SLACK: Final = 16 * 1024 * 1024  # a member may expand to this much whatever its ratio
ARCHIVE_SLACK: Final = 64 * 1024 * 1024  # and all of them together to this much
ENCRYPTED: Final = 0x1
READABLE: Final = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})  # others ask for gigabytes of memory
NESTED: Final = (b"PK\x03\x04", b"PK\x05\x06")
LOCAL_HEADER: Final = 30  # bytes, at least, before the data of a member
DIRECTORY_BYTES: Final = 64 * 1024 * 1024  # `zipfile` reads the central directory as a whole into memory
ENTRY_BYTES: Final = 2048  # of it for each entry that is allowed: a path, its extra fields and a comment

_END: Final = struct.Struct("<4s4H2LH")
_END64_LOCATOR: Final = struct.Struct("<4sLQL")
_END64: Final = struct.Struct("<4sQ2H2L4Q")
_CENTRAL: Final = struct.Struct("<4s24x3H12x")  # signature; lengths of name, extra field and comment
LONGEST_COMMENT: Final = 65535


class ArchiveRefused(Exception):
    """The whole archive is refused; `code` is a key of `ml.vocabulary.REFUSALS`."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


class MemberRefused(Exception):
    """One member is refused; the others are not touched by it."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How much an archive may hold."""

    entries: int
    member_bytes: int
    total_bytes: int


class Zip:
    """An archive whose directory was checked. Real bytes are counted as members are read.

    Raises:
        ArchiveRefused: `archive_unreadable`, `archive_too_many_entries`, `archive_too_large`, or
            `archive_ratio` for members that share their bytes.
    """

    def __init__(self, path: Path, bounds: Bounds) -> None:
        self._bounds = bounds
        self._expanded = 0
        try:
            self._packed = path.stat().st_size
            with path.open("rb") as file:
                _count_entries(file, self._packed, bounds.entries)
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, ValueError, OverflowError, UnicodeError, struct.error, OSError) as damage:
            raise ArchiveRefused("archive_unreadable") from damage
        self.members = [info for info in self._zip.infolist() if _is_file(info)]
        try:
            self._refuse_dishonest()
        except ArchiveRefused:
            self._zip.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, what: BaseException | None, way: TracebackType | None) -> None:
        self._zip.close()

    def parts(self, info: zipfile.ZipInfo) -> Iterator[bytes]:
        """Give the bytes of a member, at most a mebibyte at a time.

        Raises:
            MemberRefused: `archive_link`, `archive_encrypted`, `archive_compression`, `archive_nested`,
                `too_large`, `archive_ratio`, `archive_too_large` (all members together) or `unreadable`.
        """
        _refuse_kind(info)
        if info.file_size > self._bounds.member_bytes:
            raise MemberRefused("too_large")
        try:
            with self._zip.open(info) as file:
                yield from self._counted(file, info.compress_size)
        except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError, RuntimeError) as damage:
            raise MemberRefused("unreadable") from damage

    def _counted(self, file: IO[bytes], packed: int) -> Iterator[bytes]:
        size = 0
        while part := file.read(PART):
            if not size and part.startswith(NESTED):
                raise MemberRefused("archive_nested")
            size += len(part)
            self._expanded += len(part)
            self._refuse_too_much(size, packed)
            yield part

    def _refuse_too_much(self, size: int, packed: int) -> None:
        bounds = self._bounds
        if size > bounds.member_bytes:
            raise MemberRefused("too_large")
        if size > MEMBER_SLACK + RATIO * packed or self._expanded > ARCHIVE_SLACK + RATIO * self._packed:
            raise MemberRefused("archive_ratio")
        if self._expanded > bounds.total_bytes:
            raise MemberRefused("archive_too_large")

    def _refuse_dishonest(self) -> None:
        """Refuse members that lie over one another: many names for the same packed bytes."""
        if sum(info.file_size for info in self.members) > self._bounds.total_bytes:
            raise ArchiveRefused("archive_too_large")
        free_from = 0
        for info in sorted(self._zip.infolist(), key=lambda info: info.header_offset):
            if info.header_offset < free_from:
                raise ArchiveRefused("archive_ratio")
            free_from = info.header_offset + LOCAL_HEADER + info.compress_size
        if free_from > self._zip.start_dir:
            raise ArchiveRefused("archive_unreadable")


def member_name(info: zipfile.ZipInfo) -> str:
    """The name as it stands in the archive, with what comes after a NUL, which `filename` leaves out."""
    return info.orig_filename


def _is_file(info: zipfile.ZipInfo) -> bool:
    return not info.is_dir() and not info.filename.startswith("__MACOSX/")


def _refuse_kind(info: zipfile.ZipInfo) -> None:
    mode = info.external_attr >> 16
    if stat.S_IFMT(mode) not in {0, stat.S_IFREG}:  # 0: written by a system without such modes
        raise MemberRefused("archive_link")
    if info.flag_bits & ENCRYPTED:
        raise MemberRefused("archive_encrypted")
    if info.compress_type not in READABLE:
        raise MemberRefused("archive_compression")


def _count_entries(file: IO[bytes], size: int, most: int) -> None:
    """Walk the central directory before `zipfile` makes an object of each entry.

    Source:
        PKWARE APPNOTE 6.3.9, sections 4.3.12 to 4.3.16.
    """
    start, length = _central_directory(file, size)
    if length > min(DIRECTORY_BYTES, most * ENTRY_BYTES):
        raise ArchiveRefused("archive_too_large")
    file.seek(start)
    end, entries = start + length, 0
    while file.tell() < end:
        header = file.read(_CENTRAL.size)
        if len(header) < _CENTRAL.size or not header.startswith(b"PK\x01\x02"):
            raise ArchiveRefused("archive_unreadable")
        _, name, extra, comment = _CENTRAL.unpack(header)
        file.seek(name + extra + comment, 1)
        entries += 1
        if entries > most:
            raise ArchiveRefused("archive_too_many_entries")


def _central_directory(file: IO[bytes], size: int) -> tuple[int, int]:
    """Where the central directory begins, and its length in bytes."""
    tail_at = max(0, size - _END.size - LONGEST_COMMENT)
    file.seek(tail_at)
    tail = file.read()
    found = tail.rfind(b"PK\x05\x06")
    if found < 0 or len(tail) - found < _END.size:
        raise ArchiveRefused("archive_unreadable")
    end_at = tail_at + found
    length = _END.unpack_from(tail, found)[5]
    directory_end = end_at
    locator_at = end_at - _END64_LOCATOR.size
    if locator_at >= _END64.size:
        file.seek(locator_at - _END64.size)
        record = file.read(_END64.size + _END64_LOCATOR.size)
        if record[_END64.size :].startswith(b"PK\x06\x07") and record.startswith(b"PK\x06\x06"):
            length = _END64.unpack_from(record)[8]
            directory_end = locator_at - _END64.size
    if length > directory_end:
        raise ArchiveRefused("archive_unreadable")
    return directory_end - length, length
