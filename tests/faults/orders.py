"""Where a process under test is to die next: read from a file while it runs, so that one service dies many deaths.

FAULT_ORDERS=<file>   two lines, a fault as FAULT names it and the file that its strike makes; every process that
                      follows them says so by a file of its own beside it
"""

import os
import threading
import time
from pathlib import Path

from screening import faultpoints

EVERY = 0.05  # seconds
VARIABLE = "FAULT_ORDERS"


def follow() -> None:
    """Look for orders in a thread, where a test gives any."""
    if place := os.environ.get(VARIABLE):
        threading.Thread(target=_follow, args=(Path(place),), name="orders", daemon=True).start()


def _follow(place: Path) -> None:
    known = ""
    while True:
        told = place.read_text(encoding="utf-8") if place.exists() else ""
        if told != known:
            known = told
            with faultpoints._lock:
                faultpoints._passed.clear()
                faultpoints._FAULT, faultpoints._MARK = told.split("\n")
            _acknowledge(Path(faultpoints._MARK))
        time.sleep(EVERY)


def _acknowledge(mark: Path) -> None:
    folder = _known(mark)
    folder.mkdir(exist_ok=True)
    (folder / str(os.getpid())).touch()


def _known(mark: Path) -> Path:
    return mark.with_name(f"{mark.name}-known")


def give(place: Path, fault: str, mark: Path) -> None:
    """Order a death, all at once."""
    draft = place.with_suffix(".draft")
    draft.write_text(f"{fault}\n{mark}", encoding="utf-8")
    draft.replace(place)


def followers(mark: Path) -> int:
    """Count the processes that know of the death that makes this mark."""
    folder = _known(mark)
    return sum(1 for _ in folder.iterdir()) if folder.exists() else 0
