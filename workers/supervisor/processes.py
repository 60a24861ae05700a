"""Processes that are tied to this one, their groups, and a record of them for the next start."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Protocol

TETHER = Path(__file__).with_name("tether.py")


class Running(Protocol):
    """What is asked of a process, whether we started it or took it over."""

    pid: int

    def poll(self) -> int | None: ...


class TakenOver:
    """A living process that somebody else started."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._birth = birth(pid)

    def poll(self) -> int | None:
        """None while it lives. Nobody but its parent learns how it ended: 0 stands for any end."""
        born = birth(self.pid)
        return None if born is not None and born == self._birth else 0


def spawn(
    command: Sequence[str],
    *,
    output: IO[bytes] | int,
    environment: Mapping[str, str],
    folder: Path,
    errors: IO[bytes] | int = subprocess.STDOUT,
    at_parents_end: signal.Signals = signal.SIGTERM,
) -> subprocess.Popen[bytes]:
    """Start a command in a session of its own that gets `at_parents_end` when this process ends.

    Call it from the main thread: the kernel takes the end of the calling thread for the parent's.
    A session of its own keeps Ctrl-C from reaching the command beside the supervisor's own SIGTERM.
    """
    tethered = [sys.executable, "-I", "-S", str(TETHER), str(os.getpid()), str(int(at_parents_end)), *command]
    return subprocess.Popen(  # noqa: S603 - the commands are our own
        tethered,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=errors,
        env=dict(environment),
        cwd=folder,
        start_new_session=True,
    )


def signal_group(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process and all that it started; nothing happens where none is left."""
    with suppress(ProcessLookupError, PermissionError):  # macOS refuses where only a zombie is left
        os.killpg(pid, number)


def birth(pid: int) -> str | None:
    """When a living process was started, in words of this system; None when it is gone.

    A number alone may have been given to another process since it was written down.
    """
    status = Path(f"/proc/{pid}/stat")
    if Path("/proc/self/stat").exists():
        try:
            after_name = status.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return None
        return None if after_name[0] == "Z" else after_name[19]  # fields 3 and 22 of proc(5)
    ps = shutil.which("ps") or "/bin/ps"
    asked = subprocess.run([ps, "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)  # noqa: S603
    return asked.stdout.strip() or None


def write_record(record: Path, pid: int) -> None:
    """Note a child for the next start, which ends it if it outlived us."""
    record.write_text(f"{pid} {birth(pid) or ''}")


def end_recorded(record: Path, *, patience: float, sleep: Callable[[float], None] = time.sleep) -> bool:
    """End a child of an earlier supervisor, gently and then not. Whether there was one.

    It gets `patience` seconds after SIGTERM, in which a worker gives its leases back.
    """
    if not record.is_file():
        return False
    number, _, born = record.read_text().partition(" ")
    record.unlink()
    if not number.isdecimal() or not born or birth(int(number)) != born:
        return False
    pid = int(number)
    signal_group(pid, signal.SIGTERM)
    deadline = time.monotonic() + patience
    while birth(pid) == born and time.monotonic() < deadline:
        sleep(0.05)
    signal_group(pid, signal.SIGKILL)
    return True
