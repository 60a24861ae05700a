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
# Shut down by hand, crashed, starting; no connection left. Class 08 is a connection that was lost.
AWAY: Final = frozenset({"57P01", "57P02", "57P03", "53300"})


def _passes(error: Exception) -> bool:
    if isinstance(error, IntegrityError):  # somebody else inserted the same row first: it is there at the next try
        return True
    state = getattr(error.__cause__, "sqlstate", None)
    return state in PASSING or "database is locked" in str(error)


def database_is_away(error: Exception) -> bool:
    """Whether an error says that the database does not answer, and nothing of what was asked of it.

    A row that the database refuses raises an OperationalError, too: it is not to be asked for ever.
    """
    cause = error.__cause__
    code = getattr(cause, "sqlite_errorcode", None)
    if code is not None:
        return code & 0xFF in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
    state = getattr(cause, "sqlstate", None)
    return state.startswith("08") or state in AWAY if state else isinstance(error, OperationalError | InterfaceError)


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
