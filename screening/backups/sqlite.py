"""SQLite: copied while others write, and written over in one step."""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from django.db import connection

from screening.backups.errors import Refused
from screening.backups.snapshots import Snapshot, read

BUSY_SECONDS: Final = 20.0
LOCKED: Final = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def dump(to: Path) -> Snapshot:
    """Write a consistent copy of the database to an empty file, and say what it holds.

    Raises:
        Refused: the database is damaged or locked.
    """
    with _opened(Path(connection.settings_dict["NAME"])) as live, closing(sqlite3.connect(to)) as copy:
        try:
            _copy(live, copy)
            copy.execute("PRAGMA journal_mode=DELETE")  # one file, with nothing beside it
            sound = copy.execute("PRAGMA quick_check").fetchone() == ("ok",)
        except sqlite3.DatabaseError:
            sound = False
        if not sound:
            raise Refused("database_damaged", "SQLite finds this database damaged.", "Go back to an earlier backup.")
        return read(lambda question: copy.execute(question).fetchall())


def load(dumped: Path) -> None:
    """Put a copy in the place of all that the database holds, wholly or not at all.

    Raises:
        Refused: others keep it locked, or what is there is no database.
    """
    path = Path(connection.settings_dict["NAME"])
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
    path.chmod(0o600)
    with _opened(dumped) as copy, closing(sqlite3.connect(path, timeout=BUSY_SECONDS)) as live:
        try:
            _copy(copy, live)
        except sqlite3.DatabaseError:
            raise Refused(
                "not_loaded", "SQLite could not write over this database.", "Move its files aside and try again."
            ) from None


def refuse_company() -> None:
    """Trust the lock of the supervisor: SQLite does not say who has its file open."""


def ready() -> None:
    """Need no programs."""


def _copy(source: sqlite3.Connection, target: sqlite3.Connection) -> None:
    """Copy in one step: a reader keeps nobody from writing.

    Raises:
        Refused: others kept a lock for too long.
    """
    deadline = time.monotonic() + BUSY_SECONDS

    def look(status: int, *_: int) -> None:
        if status in LOCKED and time.monotonic() > deadline:
            raise TimeoutError

    try:
        source.backup(target, progress=look, sleep=0.05)
    except TimeoutError:
        raise Refused(
            "service_runs", "Another program keeps the database locked.", "Stop the service and everything beside it."
        ) from None


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    if not path.is_file():
        raise Refused("no_database", "There is no database here yet.", "Start the service once, or check DATABASE_URL.")
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=BUSY_SECONDS)) as opened:
        yield opened
