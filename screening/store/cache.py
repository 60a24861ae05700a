"""Copies of objects on this machine, named by the hash of their bytes: bounded, the least recently read go first.

Several processes of a machine share the folder. A copy that nobody read for a day goes too, so that what was purged
elsewhere does not stay here.
"""

import os
import secrets
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from django.conf import settings

DAY: Final = 24 * 3600.0
READ_SECONDS: Final = 120.0  # for whoever was given a path to open it: a decoding child may have to start first
LOW: Final = 0.9  # of the bound, down to which copies are dropped
ROUND_SECONDS: Final = 60.0
NEW: Final = ".new"


class _Copy(NamedTuple):
    read_at: float
    size: int
    path: Path


class Cache:
    """The copies below one folder."""

    def __init__(self, root: Path, most: int) -> None:
        self._root = root
        self._most = most
        self._added = 0
        self._looked_at = 0.0

    def find(self, sha256: str) -> Path | None:
        """The copy of these bytes, if there is one; it will stand for a while."""
        path = self._path(sha256)
        try:
            os.utime(path)
        except FileNotFoundError:
            return None
        return path

    def fresh(self) -> Path:
        """A place for bytes that are on their way in."""
        folder = self._root / NEW
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return folder / secrets.token_hex(16)

    def add(self, file: Path, sha256: str) -> Path:
        """Take a file in, whole; it is gone from its place. Makes room where that is due."""
        path, size = self._path(sha256), file.stat().st_size
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        file.replace(path)
        os.utime(path)
        self._added += size
        if self._added > self._most * (1 - LOW) or time.monotonic() - self._looked_at > ROUND_SECONDS:
            self.trim()
        return path

    def forget(self, sha256: str) -> None:
        """Drop a copy whose bytes have rotted."""
        self._path(sha256).unlink(missing_ok=True)

    def trim(self) -> int:
        """Drop what is too old or too much, the least recently read first. How many copies."""
        self._added, self._looked_at = 0, time.monotonic()
        now, dropped = time.time(), 0
        copies = sorted(self._copies())
        held = sum(copy.size for copy in copies)
        too_much = held > self._most
        for copy in copies:
            unread = now - copy.read_at
            if unread < READ_SECONDS or not (unread > DAY or (too_much and held > self._most * LOW)):
                break
            copy.path.unlink(missing_ok=True)
            held, dropped = held - copy.size, dropped + 1
        return dropped

    def _copies(self) -> Iterator[_Copy]:
        for folder, _, names in os.walk(self._root):
            for name in names:
                path = Path(folder, name)
                with suppress(FileNotFoundError):  # another process of this machine dropped it
                    found = path.stat()
                    yield _Copy(found.st_mtime, found.st_size, path)

    def _path(self, sha256: str) -> Path:
        return self._root / sha256[:2] / sha256


_caches: dict[tuple[Path, int], Cache] = {}


def cache() -> Cache:
    """The copies on this machine."""
    key = (Path(settings.CACHE_ROOT), int(settings.CACHE_BYTES))
    if key not in _caches:
        _caches[key] = Cache(*key)
    return _caches[key]
