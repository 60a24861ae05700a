"""Named places at which a test may end or freeze this process. Inert unless FAULTS_ALLOWED=true."""

import os
import signal
import threading
from typing import Final

# <place>[:<how often it is passed before it strikes>][:freeze]
_ALLOWED: Final = os.environ.get("FAULTS_ALLOWED") == "true"  # noqa: TID251 - a switch of tests, not of operation
_FAULT: Final = os.environ.get("FAULT", "")  # noqa: TID251 - see above

PLACES: Final = (
    "ingest.claimed",
    "ingest.begun",
    "ingest.decoded",
    "ingest.blobs_kept",
    "ingest.committed",
    "archive.claimed",
    "archive.admitted",
    "archive.committed",
    "inference.claimed",
    "inference.loaded",
    "inference.begun",
    "inference.scored",
    "inference.committed",
    "explain.claimed",
    "explain.begun",
    "explain.committed",
)
_lock = threading.Lock()
_passed: dict[str, int] = {}


def reach(place: str) -> None:
    """Pass a named place: SIGKILL's effect, or SIGSTOP, if a test asked for it here."""
    if not _ALLOWED or not _FAULT.startswith(place):
        return
    named, _, rest = _FAULT.partition(":")
    count, _, how = rest.partition(":")
    with _lock:
        _passed[place] = _passed.get(place, 0) + 1
        strikes = named == place and _passed[place] == int(count or 0) + 1
    if strikes and how == "freeze":
        # To this thread: one to the process may reach another first, and this one would walk on into a transaction.
        signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)
    elif strikes:
        os._exit(137)
