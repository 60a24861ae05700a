"""One child of the supervisor: started, watched, replaced when it dies or stops beating."""

import os
import signal
import time
from collections.abc import Callable, Hashable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from workers.supervisor.processes import Running, TakenOver, signal_group, spawn, write_record
from workers.supervisor.pulses import Pulse

FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0  # seconds between an end and the next start; doubled each time
SETTLED = 60.0  # seconds of life after which the waits begin anew
LOG_BYTES = 20_000_000  # a longer log is moved to NAME.log.1 before the next start


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What to run and how to see that it works."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    folder: Path
    log: Path
    record: Path  # where its process is noted for the next start of the supervisor
    beat: Path  # the file it touches, where its pulse is one
    grace: float = 120.0  # seconds to the first beat: reading TensorFlow from a cold disk takes long
    silence: float = 30.0  # seconds without a beat after which it is replaced


class Child:
    def __init__(
        self,
        program: Program,
        pulse: Pulse,
        *,
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.program = program
        self.pulse = pulse
        self.starts = 0
        self._say = say
        self._clock = clock
        self._process: Running | None = None
        self._wait = FIRST_WAIT
        self._next_start = 0.0
        self._started = self._changed = 0.0
        self._last: Hashable | None = None
        self._beaten = False

    @property
    def name(self) -> str:
        return self.program.name

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def has_beaten(self) -> bool:
        return self.alive and self._beaten

    def start(self) -> None:
        """Start the program. Its group, should anything of an earlier run be left in it, is gone by then."""
        self.program.beat.unlink(missing_ok=True)
        _keep_short(self.program.log)
        with self.program.log.open("ab") as log:
            process = spawn(
                self.program.command, output=log, environment=self.program.environment, folder=self.program.folder
            )
        self._begin(process)

    def take_over(self, pid: int) -> None:
        """Watch a living process of an earlier supervisor as if it had been started here."""
        self._begin(TakenOver(pid))

    def look(self) -> None:
        """Replace the program if it ended or fell silent; to be called several times a second."""
        now = self._clock()
        if self._process is None:
            if now >= self._next_start:
                self.start()
            return
        status = self._process.poll()
        if status is not None:
            self._ended(_in_words(status), now)
        elif self._silent(now):
            signal_group(self._process.pid, signal.SIGKILL)
            self._ended("has stopped beating and was killed", now)

    def ask_to_end(self) -> None:
        """Send SIGTERM to the program alone: it ends what it started in its own order."""
        if self._process is not None and self._process.poll() is None:
            with suppress(ProcessLookupError):  # it ended between the two lines
                os.kill(self._process.pid, signal.SIGTERM)

    def forget(self) -> None:
        """Leave nothing of an ended program behind: its group, its record, its beat."""
        if self._process is not None:
            signal_group(self._process.pid, signal.SIGKILL)
            _await_end(self._process)
            self._process = None
        self.program.record.unlink(missing_ok=True)
        self.program.beat.unlink(missing_ok=True)

    def _begin(self, process: Running) -> None:
        self._process = process
        self.starts += 1
        self._started = self._changed = self._clock()
        self._last, self._beaten = self.pulse.read(), False
        write_record(self.program.record, process.pid)

    def _silent(self, now: float) -> bool:
        beat = self.pulse.read()
        if beat != self._last:
            self._last, self._changed, self._beaten = beat, now, True
        limit = self.program.silence if self._beaten else self.program.grace
        return now - self._changed > limit

    def _ended(self, how: str, now: float) -> None:
        if now - self._started >= SETTLED:
            self._wait = FIRST_WAIT
        self.forget()
        self._say(f"{self.name} {how}; it starts again in {self._wait:g} s. See {self.program.log}")
        self._next_start = now + self._wait
        self._wait = min(self._wait * 2, LONGEST_WAIT)


def _await_end(process: Running) -> None:
    """Wait for a killed process, though not for ever: one in the middle of a disk access ends only after it."""
    deadline = time.monotonic() + 5
    while process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)


def _in_words(status: int) -> str:
    if status >= 0:
        return f"ended with status {status}"
    return f"was ended by {signal.Signals(-status).name}"


def _keep_short(log: Path) -> None:
    if log.exists() and log.stat().st_size > LOG_BYTES:
        log.replace(log.with_suffix(".log.1"))
