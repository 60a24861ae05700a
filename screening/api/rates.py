"""How many requests somebody has made in this minute, counted over all web processes of a host.

The counts lie in a file that every process maps into memory: no database is written by a read, and no broker is
asked. A slot holds whose it is (a digest), the minute and the count; a slot of another minute is free.
"""

import fcntl
import hashlib
import mmap
import os
import struct
import threading
from pathlib import Path
from typing import Final

import structlog

log = structlog.get_logger(__name__)

SLOT: Final = struct.Struct("<16sQQ")
SLOTS: Final = 1 << 14  # callers in a minute; half a megabyte
NEAR: Final = 32  # slots in which one caller is looked for


class Rates:
    """The counts in one file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._map: mmap.mmap | None = None
        self._descriptor = -1

    def count(self, who: str, minute: int) -> int:
        """Count one request more, and give how many that makes in this minute. About ten microseconds.

        0 where there is no room on the disk for the file: then nobody is counted.
        """
        digest = hashlib.sha256(who.encode()).digest()
        key, start = digest[:16], int.from_bytes(digest[16:20], "little")
        with self._lock:
            try:
                table = self._map or self._open()
            except OSError as problem:
                log.warning("requests_not_counted", reason=type(problem).__name__, errno=problem.errno)
                return 0
            fcntl.lockf(self._descriptor, fcntl.LOCK_EX)
            try:
                return _count(table, key, start, minute)
            finally:
                fcntl.lockf(self._descriptor, fcntl.LOCK_UN)

    def forget(self) -> None:
        """Begin anew: for tests, in which one person's minute holds many."""
        with self._lock:
            table = self._map or self._open()
            table[:] = bytes(SLOT.size * SLOTS)

    def _open(self) -> mmap.mmap:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)  # open until the process ends
        try:
            # Every block now: on a full disk the first write to a hole of a mapped file would end the process (SIGBUS).
            os.posix_fallocate(descriptor, 0, SLOT.size * SLOTS)
            self._map = mmap.mmap(descriptor, SLOT.size * SLOTS)
        except OSError:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        return self._map


def _count(table: mmap.mmap, key: bytes, start: int, minute: int) -> int:
    free = -1
    for step in range(NEAR):
        at = (start + step) % SLOTS * SLOT.size
        whose, when, count = SLOT.unpack_from(table, at)
        if when != minute:
            free = at if free < 0 else free
        elif whose == key:
            SLOT.pack_into(table, at, key, minute, count + 1)
            return int(count) + 1
    if free >= 0:  # else more callers than there are slots near: this one is not counted
        SLOT.pack_into(table, free, key, minute, 1)
    return 1
