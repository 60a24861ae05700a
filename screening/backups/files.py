"""Files that only their owner reads, whole under their name or not there at all."""

import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

PART: Final = 1024 * 1024  # bytes read at a time


class Sum(NamedTuple):
    """What a file holds."""

    size: int  # bytes
    sha256: str


@contextmanager
def private() -> Iterator[None]:
    """Give what the body makes to its owner alone, also what other programs make for it."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a temporary name to fill. It becomes `path`, durably, when the body ends; nothing stays if it fails."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        yield temporary
        _sync(temporary)
        temporary.replace(path)
        _sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def sum_of(path: Path) -> Sum:
    """Read a file for its size and SHA-256."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while part := file.read(PART):
            digest.update(part)
            size += len(part)
    return Sum(size, digest.hexdigest())


def copy(source: Path, target: Path) -> Sum:
    """Copy bytes and time of change to a name that is free. Not yet durable."""
    digest, size = hashlib.sha256(), 0
    with source.open("rb") as read, os.fdopen(_fresh(target), "wb") as written:
        stat = os.fstat(read.fileno())
        while part := read.read(PART):
            digest.update(part)
            written.write(part)
            size += len(part)
    os.utime(target, ns=(stat.st_mtime_ns, stat.st_mtime_ns))
    return Sum(size, digest.hexdigest())


def keep(source: Path, target: Path) -> None:
    """Put a durable copy of a small file in its place."""
    with whole_file(target) as temporary:
        shutil.copyfile(source, temporary)


def _fresh(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
