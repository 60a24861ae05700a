"""Real worker processes on the database of the test run, started as the supervisor starts them."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings

from screening.config import Config
from workers.supervisor.plan import commands
from workers.supervisor.processes import spawn

ROOT = Path(__file__).resolve().parents[2]


class Process:
    """One child of the service. Its output goes to a log that a failing test can quote."""

    def __init__(
        self, name: str, environment: Mapping[str, str], folder: Path, *, config: Config = settings.CONFIG
    ) -> None:
        self.name = name
        self._config = config
        self.log = folder / f"{name}.log"
        self.beat = folder / f"{name}.beat"
        self._environment = {
            "DJANGO_SETTINGS_MODULE": "screening.settings",
            "TF_CPP_MIN_LOG_LEVEL": "3",
            **environment,
            "BEAT_FILE": str(self.beat),
        }
        self.popen: subprocess.Popen[bytes] | None = None
        self.starts = 0

    def tell(self, **more: str) -> None:
        """Give further variables, for every start from now on."""
        self._environment |= more

    def start(self, **more: str) -> "Process":
        self.beat.unlink(missing_ok=True)
        with self.log.open("ab") as log:
            self.popen = spawn(self._command(), output=log, environment={**self._environment, **more}, folder=ROOT)
        self.starts += 1
        return self

    def _command(self) -> tuple[str, ...]:
        command = list(commands(self._config)[self.name])
        if "--every" in command and (every := self._environment.get("TEST_EVERY")):
            command[command.index("--every") + 1] = every
        if self.name != "web" and (hands := self._environment.get("TEST_HANDS")) and "-c" in command:
            command[command.index("-c") + 1] = hands
        return (*self._environment.get("TEST_BEFORE", "").split(), *command)

    @property
    def pid(self) -> int:
        assert self.popen is not None
        return self.popen.pid

    def alive(self) -> bool:
        return self.popen is not None and self.popen.poll() is None

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL to the worker alone: what it started must end by itself."""
        self.signal(signal.SIGKILL)
        assert self.popen is not None
        self.popen.wait(10)

    def end(self, patience: float = 15.0) -> int:
        """SIGTERM, as the supervisor does; the exit status."""
        assert self.popen is not None
        if self.alive():
            self.signal(signal.SIGCONT)
            self.signal(signal.SIGTERM)
        try:
            return self.popen.wait(patience)
        except subprocess.TimeoutExpired:
            os.killpg(self.pid, signal.SIGKILL)
            raise

    def wait_for_beat(self, patience: float = 60.0) -> None:
        until(self.beat.exists, patience, f"{self.name} did not start:\n{self.tail()}")

    def tail(self) -> str:
        return self.log.read_text(errors="replace")[-4000:] if self.log.exists() else ""


@contextmanager
def running(*processes: Process) -> Iterator[None]:
    """End the processes whatever happens in the body."""
    try:
        yield
    finally:
        for process in processes:
            if process.alive():
                process.end()


def until(true: Callable[[], bool], patience: float, otherwise: str, *, every: float = 0.02) -> float:
    """Wait until something is true; the seconds it took."""
    started = time.monotonic()
    while not true():
        if time.monotonic() - started > patience:
            raise AssertionError(otherwise)
        time.sleep(every)
    return time.monotonic() - started
