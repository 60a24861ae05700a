"""No worker works on the database of another release: it does not start, and one that runs ends when it is upgraded."""

import os
import signal
import threading
from functools import cache
from typing import Final

import structlog
from django.db import DatabaseError, InterfaceError, connections

from screening.migrated import CODE, Difference, difference, known_migrations

log = structlog.get_logger(__name__)

REFUSED_STATUS: Final = 78  # EX_CONFIG of sysexits.h
LOOK_SECONDS: Final = 5.0


def refuse_other_release() -> None:
    """End the process before it takes anything if the database is of another release.

    One that does not answer yet is looked at by `end_when_upgraded` a few seconds later.

    Raises:
        SystemExit: it is. The log says which migrations differ.
    """
    if other := _other():
        _tell(other)
        raise SystemExit(REFUSED_STATUS)


def end_when_upgraded(stop: threading.Event) -> None:
    """Look every few seconds, until `stop` is set, that the database stays of this release; end the process if not."""
    threading.Thread(target=_watch, args=(stop,), name="release", daemon=True).start()


def of_other_release() -> bool:
    """Whether the database is of another release by now, as far as it says."""
    return bool(_other())


@cache
def _ours() -> frozenset[tuple[str, str]]:
    """What the code that runs knows, also once files of another release lie in its place."""
    return known_migrations()


def _watch(stop: threading.Event) -> None:
    while not stop.wait(LOOK_SECONDS):
        other = _other()
        connections.close_all()
        if other:
            _tell(other)
            os.kill(os.getpid(), signal.SIGTERM)  # as the supervisor asks: what is held goes back
            return


def _other() -> Difference | None:
    try:
        return difference(_ours()) or None
    except (DatabaseError, InterfaceError):
        connections.close_all()
        return None


def _tell(other: Difference) -> None:
    told = {"unknown": other.unknown, "missing": other.missing}
    log.critical("other_release", code=CODE, **told, what_to_do=other.what_to_do)
