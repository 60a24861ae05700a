"""Transactions that lost against another are tried again, so that nobody sees a deadlock."""

import functools
import random
import time
from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar

from django.db import IntegrityError, OperationalError, connection

P = ParamSpec("P")
R = TypeVar("R")
TRIES: Final = 5
PASSING: Final = frozenset({"40001", "40P01"})  # serialization failure, deadlock (PostgreSQL, appendix A)


def _passes(error: Exception) -> bool:
    if isinstance(error, IntegrityError):  # somebody else inserted the same row first: it is there at the next try
        return True
    state = getattr(error.__cause__, "sqlstate", None)
    return state in PASSING or "database is locked" in str(error)


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
