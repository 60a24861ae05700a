"""No worker works on the database of another release: it does not start, and one that runs ends when it is upgraded."""

import os
import signal
import threading
from typing import Final

import structlog
from django.db import DatabaseError, InterfaceError, connections

from screening.migrated import CODE, Difference, difference, known_migrations

log = structlog.get_logger(__name__)

REFUSED_STATUS: Final = 78  # EX_CONFIG of sysexits.h
LOOK_SECONDS: Final = 5.0


def refuse_other_release() -> None:
    """End the process before it takes anything if the database is of another release, then watch that it stays of this.

    A database that does not answer yet is looked at as soon as it does.

    Raises:
        SystemExit: it is. The log says which migrations differ.
    """
    known = known_migrations()
    if other := _other(known):
        _tell(other)
        raise SystemExit(REFUSED_STATUS)
    threading.Thread(target=_watch, args=(known,), name="release", daemon=True).start()


def of_other_release() -> bool:
    """Whether the database is of another release by now, as far as it says."""
    return bool(_other(known_migrations()))


def _watch(known: frozenset[tuple[str, str]]) -> None:
    rest = threading.Event()
    while not (other := _other(known)):
        connections.close_all()
        rest.wait(LOOK_SECONDS)
    _tell(other)
    os.kill(os.getpid(), signal.SIGTERM)  # as the supervisor asks: what is held goes back


def _other(known: frozenset[tuple[str, str]]) -> Difference | None:
    try:
        return difference(known) or None
    except (DatabaseError, InterfaceError):
        connections.close_all()
        return None


def _tell(other: Difference) -> None:
    told = {"unknown": other.unknown, "missing": other.missing}
    log.critical("other_release", code=CODE, **told, what_to_do=other.what_to_do)
