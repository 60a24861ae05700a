"""Kept files of pictures on their way into a backup and out of it.

`blobs.txt` lists them, a line for each: SHA-256, bytes, path below blobs/, in the order of folders.
"""

import os
import re
import secrets
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Final, NamedTuple, TextIO
from uuid import UUID

from django.conf import settings

from screening.backups.errors import Refused
from screening.backups.files import Sum, copy, sum_of
from screening.uploads.storage import blob_folder, keep_blob, preparing_folder

PLANE: Final = ".plane"
DEEP: Final = ".deep"  # made again from the source when somebody looks
LINE: Final = re.compile(r"([0-9a-f]{64}) (\d+) ([0-9a-f-]{36}/[0-9a-f]{2}/[0-9a-f]{64})/(\w[\w.-]*)\n")
TRIES: Final = 4  # to copy a folder that is being replaced or filled at this moment


class Blob(NamedTuple):
    """The folder of one file's kept bytes: `<site>/<aa>/<sha256>`."""

    folder: str
    files: Mapping[str, Sum]


@dataclass(slots=True)
class Copied:
    """What a backup holds of the blobs."""

    files: int = 0
    bytes: int = 0
    linked: int = 0
    missing: list[str] = field(default_factory=list)  # folders that are not there


@dataclass(slots=True)
class PutBack:
    """What became of the blobs of a backup."""

    files: int = 0
    unchanged: int = 0  # files that lay in their places already
    damaged: list[str] = field(default_factory=list)  # paths whose bytes are not those of the listing, left out


def folder_name(site_id: UUID, sha256: str) -> str:
    return f"{site_id}/{sha256[:2]}/{sha256}"


def copy_blobs(wanted: Iterable[str], into: Path, listing: TextIO, *, since: Path | None, planes: bool) -> Copied:
    """Copy folders, in order, and list their files. What an older backup holds unchanged is linked from it."""
    root, done = Path(settings.BLOB_ROOT), Copied()
    older = _Older(since)
    for name in wanted:
        files = _copied(root / name, into / name, older.folder(name), done, planes=planes)
        if files is None:
            done.missing.append(name)
            continue
        for file, (size, sha256) in sorted(files.items()):
            listing.write(f"{sha256} {size} {name}/{file}\n")
            done.files += 1
            done.bytes += size
    return done


def read_listing(path: Path) -> Iterator[Blob]:
    """Give the folders of a listing, in its order.

    Raises:
        Refused: a line is none of ours.
    """
    with path.open() as lines:
        told = (_line(line) for line in lines)
        for folder, group in groupby(told, key=lambda one: one[0]):
            yield Blob(folder, {name: summed for _, name, summed in group})


def put_back_blobs(source: Path, listing: Path) -> PutBack:
    """Bring every folder of a backup to its place, whole. A file that was damaged is left out and named."""
    done = PutBack()
    for blob in read_listing(listing):
        site, _, sha256 = blob.folder.split("/")
        kept = blob_folder(UUID(site), sha256)
        if all(_is(kept / name, told) for name, told in blob.files.items()):
            done.unchanged += len(blob.files)
            continue
        prepared = preparing_folder() / secrets.token_hex(16)
        prepared.mkdir(parents=True, mode=0o700)
        for name, told in blob.files.items():
            if _brought(source / blob.folder / name, prepared / name, told):
                done.files += 1
            elif _brought(kept / name, prepared / name, told):  # lost in the backup, and whole where it was
                done.unchanged += 1
            else:
                done.damaged.append(f"{blob.folder}/{name}")
        keep_blob(prepared, UUID(site), sha256)
    return done


class _Older:
    """An older backup, read alongside: both are in the order of folders."""

    def __init__(self, backup: Path | None) -> None:
        self._root = backup / "blobs" if backup else Path()
        self._blobs = read_listing(backup / "blobs.txt") if backup else iter(())
        self._next = next(self._blobs, None)

    def folder(self, name: str) -> dict[str, tuple[Path, Sum]]:
        while self._next is not None and self._next.folder < name:
            self._next = next(self._blobs, None)
        if self._next is None or self._next.folder != name:
            return {}
        return {file: (self._root / name / file, told) for file, told in self._next.files.items()}


def _copied(
    source: Path, target: Path, older: Mapping[str, tuple[Path, Sum]], done: Copied, *, planes: bool
) -> dict[str, Sum] | None:
    """Copy one folder; None if it is not there. Files may be drawn into it, and it may be replaced, meanwhile."""
    target.parent.mkdir(parents=True, exist_ok=True)
    for _ in range(TRIES):
        with suppress(FileNotFoundError):
            before, linked = source.stat().st_ino, 0
            target.mkdir()
            files = {}
            for name in _names(source, planes=planes):
                same = _linked(source / name, target / name, older.get(name))
                files[name] = same or copy(source / name, target / name)
                linked += same is not None
            if source.stat().st_ino == before:
                done.linked += linked
                return files
        shutil.rmtree(target, ignore_errors=True)
        time.sleep(0.05)
    return None


def _names(folder: Path, *, planes: bool) -> list[str]:
    """Name the files of a folder, but not those that are being written or made again when somebody looks."""
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if entry.is_file(follow_symlinks=False)]
    left_out = (DEEP,) if planes else (DEEP, PLANE)
    return sorted(name for name in names if name[0] != "." and not name.endswith(left_out))


def _linked(source: Path, target: Path, older: tuple[Path, Sum] | None) -> Sum | None:
    """Link what an older backup holds of a file of the same size and time of change. None: copy it."""
    if older is None:
        return None
    path, told = older
    now = source.stat()
    try:
        then = path.stat()
        if (now.st_size, now.st_mtime_ns) != (then.st_size, then.st_mtime_ns) or then.st_size != told.size:
            return None
        os.link(path, target)
    except OSError:  # gone, another file system, or one without links: copying says what is wrong, if anything is
        return None
    return told


def _is(path: Path, told: Sum) -> bool:
    try:
        return path.stat().st_size == told.size and sum_of(path) == told
    except FileNotFoundError:
        return False


def _brought(source: Path, target: Path, told: Sum) -> bool:
    """Copy a file that is what the listing says; any other is left out."""
    with suppress(FileNotFoundError):
        if copy(source, target) == told:
            return True
        target.unlink()
    return False


def _line(line: str) -> tuple[str, str, Sum]:
    told = LINE.fullmatch(line)
    if told is None:
        raise Refused("backup_damaged", "blobs.txt holds a line that no backup writes.", "Take another backup.")
    sha256, size, folder, name = told.groups()
    return folder, name, Sum(int(size), sha256)
