"""Tell the supervisor that this worker lives: a file touched every second while its hands get on."""

import os
import sys
import threading
import traceback
from pathlib import Path
from typing import Final

import structlog

from workers.crew import PROGRESS
from workers.keeper import STUCK_SECONDS

log = structlog.get_logger(__name__)

EVERY_SECONDS: Final = 1.0
STUCK_STATUS: Final = 70  # EX_SOFTWARE of sysexits.h
FRAMES: Final = 12  # of each thread, the innermost


def beat_file() -> Path | None:
    """The file that the supervisor of this process watches, if it has one."""
    named = os.environ.get("BEAT_FILE")  # noqa: TID251 - set by the supervisor for this one process
    return Path(named) if named else None


def start() -> None:
    """Beat from a thread of its own, if a file was named."""
    path = beat_file()
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        threading.Thread(target=_beat, args=(path,), name="heartbeat", daemon=True).start()


def where_threads_are() -> dict[str, list[str]]:
    """Say what every thread does, from the inside out: names of functions, and never a value."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    return {
        names.get(ident, str(ident)): [
            f"{frame.name} ({Path(frame.filename).name}:{frame.lineno})"
            for frame in reversed(traceback.extract_stack(top, limit=-FRAMES))
        ]
        for ident, top in sys._current_frames().items()  # noqa: SLF001 - the documented way, for just this
    }


def beat_once(path: Path) -> bool:
    """Touch the file, unless a hand is stuck. Whether it beat."""
    if PROGRESS.oldest() > STUCK_SECONDS:
        return False
    path.touch()
    return True


def _beat(path: Path) -> None:
    rest = threading.Event()
    while beat_once(path):
        rest.wait(EVERY_SECONDS)
    log.error(
        "hand_stuck",
        seconds=STUCK_SECONDS,
        where=where_threads_are(),
        what_to_do="This worker ends; whoever started it starts another.",
    )
    os._exit(STUCK_STATUS)  # a thread that hangs cannot be ended; its leases run out, or have already
