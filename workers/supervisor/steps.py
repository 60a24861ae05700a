"""What has to be done before the children may start."""

import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from screening.config import ROOT
from workers.supervisor.errors import CannotStart
from workers.supervisor.plan import Places, manage
from workers.supervisor.processes import end_recorded, signal_group, spawn


class Stopped(Exception):
    """The person at the terminal changed their mind during the preparation."""


def refuse_taken_port(port: int) -> None:
    """Refuse a port that another program listens on.

    Raises:
        CannotStart: it is taken, or not ours to take.
    """
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(("127.0.0.1", port))
        except (OSError, OverflowError) as error:
            reason = error.strerror if isinstance(error, OSError) else "there is no such port"
            raise CannotStart(
                "port_taken", f"Port {port} cannot be used: {reason}.", "Choose another: make up PORT=8001"
            ) from error


def end_left_behind(places: Places, names: Sequence[str], say: Callable[[str], None]) -> None:
    """End the children of a supervisor that was killed, so that none runs twice."""
    for name in names:
        if end_recorded(places.run / f"{name}.pid", patience=5):
            say(f"ended {name}, left behind by an earlier run")


class Steps:
    """Run management commands, with their complaints in one log."""

    def __init__(self, env: Mapping[str, str], log: Path, *, stopped: Callable[[], bool]) -> None:
        self._env = env
        self._log = log
        self._stopped = stopped

    def ask(self, *words: str) -> str:
        """Run one command and give what it answers, which no log keeps: it may be a secret.

        Raises:
            CannotStart: it failed. Its complaints stand in the log.
            Stopped: Ctrl-C came meanwhile; the command was ended.
        """
        with self._open_log(words) as log, tempfile.TemporaryFile() as answer:
            begin = log.tell()
            process = spawn(manage(*words), output=answer, errors=log, environment=self._env, folder=ROOT)
            if self._wait(process) != 0:
                log.seek(begin)
                last = "\n".join(log.read().decode(errors="replace").strip().splitlines()[-8:])
                raise CannotStart(
                    "step_failed", f"`manage.py {words[0]}` failed:\n{last}\n", f"All of it stands in {self._log}."
                )
            answer.seek(0)
            return answer.read().decode(errors="replace").strip()

    def _open_log(self, words: Sequence[str]) -> IO[bytes]:
        log = self._log.open("ab+")
        log.write(f"\n$ manage.py {' '.join(words)}\n".encode())
        log.flush()
        return log

    def _wait(self, process: subprocess.Popen[bytes]) -> int:
        while (status := process.poll()) is None:
            if self._stopped():
                signal_group(process.pid, signal.SIGKILL)
                process.wait()
                raise Stopped
            time.sleep(0.02)
        return status
