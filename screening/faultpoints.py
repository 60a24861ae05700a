"""Named places at which a test may end or freeze this process. Inert unless FAULTS_ALLOWED=true.

They stand at the boundaries of every step: between bytes and rows, within transactions, and after each commit.
"""

import os
import signal
import threading
from typing import Final

# <place>[:<how often it is passed before it strikes>][:freeze]
_ALLOWED: Final = os.environ.get("FAULTS_ALLOWED") == "true"  # noqa: TID251 - a switch of tests, not of operation
_FAULT: Final = os.environ.get("FAULT", "")  # noqa: TID251 - see above
_MARK: Final = os.environ.get("FAULT_MARK", "")  # noqa: TID251 - a file made by the strike: there is but one

PLACES: Final = (
    "upload.stored",  # bytes are durable, no row names them
    "upload.recorded",  # within the transaction
    "upload.committed",  # the sender has no answer yet
    "upload.sealed",
    "archive.part_written",
    "archive.claimed",
    "archive.admitted",
    "archive.committed",
    "ingest.claimed",
    "ingest.begun",
    "ingest.decoded",
    "ingest.moved",  # one folder of a chunk is in its place
    "ingest.blobs_kept",  # all are, no row names them
    "ingest.recorded",  # within the transaction
    "ingest.committed",
    "ingest.raw_dropped",
    "inference.claimed",
    "inference.loaded",
    "inference.begun",
    "inference.scored",
    "inference.recorded",  # within the transaction
    "inference.committed",
    "explain.claimed",
    "explain.begun",
    "explain.drawn",
    "explain.kept",  # one file of two
    "explain.committed",
    "audit.locked",  # within the transaction
    "audit.written",  # events are, heads are not
    "settle.finished",  # within the transaction that ends an upload
    "reclaim.freed",  # within the transaction that frees a dead worker's rows
    "purge.rows_gone",  # rows are, bytes are not
)
OUTSIDE: Final = (
    "delivery.claimed",
    "delivery.begun",
    "delivery.sent",
    "delivery.committed",
    "letter.sent",
)  # tests/hooks
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
        strikes = named == place and _passed[place] == int(count or 0) + 1 and _first()
    if strikes and how == "freeze":
        # To this thread: one to the process may reach another first, and this one would walk on into a transaction.
        signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)
    elif strikes:
        os._exit(137)


def _first() -> bool:
    """Whether no process struck before this one, where a test marks it: gunicorn replaces a worker that died."""
    if not _MARK:
        return True
    try:
        os.close(os.open(_MARK, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True
