"""The clock of a SQLite database: one for all processes on its file, whatever each takes for the time of day.

A server has a clock of its own; a file has none, and leases by the clock of each process would end early or late where
one is wrong, or where the machine's is set. So the first process after a start of the machine notes beside the file how
far the time of day is from the seconds that the kernel counts, which nobody sets, and all go by that note.

Where a kernel does not tell its starts apart (elsewhere than on Linux), each process goes by its own time of day.
"""

import fcntl
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Final

BOOT: Final = Path("/proc/sys/kernel/random/boot_id")
_noted: Final[dict[Path, float]] = {}
_lock: Final = threading.Lock()


def moment(database: str) -> datetime:
    """This moment by the clock of a database file."""
    return datetime.fromtimestamp(time.monotonic() + _offset(database), UTC)


def note_of(database: str) -> Path:
    """Where the note lies."""
    return Path(f"{database}-clock")


def _offset(database: str) -> float:
    """Seconds from the kernel's count to the time of day."""
    if database == ":memory:" or "mode=memory" in database:  # of this process alone
        return _own()
    note = note_of(database)
    with _lock:
        if note in _noted:
            return _noted[note]
        try:
            boot = BOOT.read_text().strip()
            with note.open("a+") as file:
                _noted[note] = _agreed(file, boot)
                return _noted[note]
        except OSError:  # no such kernel, or no room: by the own time of day until there is
            return _own()


def _agreed(file: IO[str], boot: str) -> float:
    """Read what an earlier process noted since the machine started, or be the one who notes."""
    fcntl.flock(file, fcntl.LOCK_EX)  # until it is closed
    file.seek(0)
    with suppress(ValueError):  # a note that nobody can read is written anew
        told = file.read().split()
        if len(told) == 2 and told[0] == boot:
            return float(told[1])
    own = _own()
    file.truncate(0)
    file.write(f"{boot} {own!r}\n")
    file.flush()
    return own


def _own() -> float:
    return time.time() - time.monotonic()
