"""Transactions that lost against another are tried again, so that nobody sees a deadlock."""

import functools
import random
import sqlite3
import time
from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar

from django.db import IntegrityError, InterfaceError, OperationalError, connection

P = ParamSpec("P")
R = TypeVar("R")
TRIES: Final = 5
PASSING: Final = frozenset({"40001", "40P01"})  # serialization failure, deadlock (PostgreSQL, appendix A)
NO_ROOM: Final = frozenset({"53100"})
# Shut down by hand, crashed, starting; no connection left; its disk fails. Class 08 is a connection that was lost.
AWAY: Final = NO_ROOM | {"57P01", "57P02", "57P03", "53300", "58030"}
# Taken by another for too long; no room on the disk; a disk that fails, as one does whose quota is used up.
AWAY_ON_SQLITE: Final = frozenset(
    {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN}
)


def _passes(error: Exception) -> bool:
    if isinstance(error, IntegrityError):  # somebody else inserted the same row first: it is there at the next try
        return True
    state = getattr(error.__cause__, "sqlstate", None)
    return state in PASSING or "database is locked" in str(error)


def database_is_away(error: Exception) -> bool:
    """Whether an error says that the database does not answer or has no room, and nothing of what was asked of it.

    A row that the database refuses raises an OperationalError, too: it is not to be asked for ever.
    """
    cause = error.__cause__
    code = getattr(cause, "sqlite_errorcode", None)
    if code is not None:
        return code & 0xFF in AWAY_ON_SQLITE
    state = getattr(cause, "sqlstate", None)
    return state.startswith("08") or state in AWAY if state else isinstance(error, OperationalError | InterfaceError)


def database_is_full(error: Exception) -> bool:
    """Whether an error says that the disk of the database has no room left."""
    code = getattr(error.__cause__, "sqlite_errorcode", None)
    return code == sqlite3.SQLITE_FULL or getattr(error.__cause__, "sqlstate", None) in NO_ROOM


def again_on_conflict(function: Callable[P, R]) -> Callable[P, R]:
    """Run a function that is one transaction again when it lost against another, five times at most."""

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        for attempt in range(1, TRIES):
            try:
                return function(*args, **kwargs)
            except (OperationalError, IntegrityError) as error:
                if connection.in_atomic_block or not _passes(error):
                    raise
                time.sleep(random.uniform(0, 0.05 * attempt))  # noqa: S311 - spreading, not secrecy
        return function(*args, **kwargs)

    return wrapper
