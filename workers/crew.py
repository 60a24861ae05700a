"""Hands: the threads of a worker that take work from the database until nothing is left.

A call from the broker wakes all of them; without one they look every few seconds. So a call may be
lost, doubled or late, and a worker whose broker is away goes on.
"""

import threading
import time
from collections.abc import Callable
from typing import Final

from django.db import connections

from workers.reporting import report

BREATH: Final = 1.0  # seconds of rest after a step that failed, so that a broken database is not hammered


class Stop(threading.Event):
    """Set when the worker is asked to end. Steps look at it between two pieces of work."""


Step = Callable[[Stop], bool]


class Progress:
    """When each hand last got somewhere: the heartbeat stops when one of them is stuck.

    Only threads that enrolled are watched. Others do pieces of a hand's work, too, such as loading a model before
    anybody asks for it, and end without a word.
    """

    def __init__(self) -> None:
        self._last: dict[int, float] = {}

    def enroll(self) -> None:
        """Have the calling thread watched from now on, until it says `forget`."""
        self._last[threading.get_ident()] = time.monotonic()

    def note(self) -> None:
        """Say that the calling thread got somewhere, if it is watched."""
        if threading.get_ident() in self._last:
            self._last[threading.get_ident()] = time.monotonic()

    def forget(self) -> None:
        """Take the calling thread off the list: it ends as it should."""
        self._last.pop(threading.get_ident(), None)

    def age(self, thread: int) -> float:
        """Seconds since a thread last got somewhere."""
        last = self._last.get(thread)
        return 0.0 if last is None else time.monotonic() - last

    def oldest(self) -> float:
        """Seconds since the slowest hand got somewhere."""
        return max((self.age(thread) for thread in list(self._last)), default=0.0)


PROGRESS: Final = Progress()
_AT_WORK: "Final[list[Crew]]" = []


def stop_all() -> None:
    """Ask all hands of this process to take nothing more."""
    for crew in _AT_WORK:
        crew.stop()


class Crew:
    """Some hands that do one kind of work.

    Args:
        name: Of the work, for logs and threads.
        step: Does one batch and says whether there was any.
        poll: Seconds after which an idle hand looks without being called.
    """

    def __init__(self, name: str, step: Step, *, poll: float) -> None:
        self.name = name
        self._step = step
        self._poll = poll
        self._stop = Stop()
        self._called = threading.Condition()
        self._calls = 0
        self._threads: list[threading.Thread] = []

    @property
    def at_work(self) -> bool:
        """Whether hands were started in this process."""
        return bool(self._threads)

    def start(self, hands: int) -> None:
        """Start the hands. They are daemons: whoever starts them stops and joins them."""
        self._threads = [
            threading.Thread(target=self._work, name=f"{self.name}-{number}", daemon=True)
            for number in range(1, hands + 1)
        ]
        _AT_WORK.append(self)
        for thread in self._threads:
            thread.start()

    def call(self) -> None:
        """Wake the hands up. Where none were started, work here until nothing is left."""
        if not self.at_work:
            self.drain()
            return
        with self._called:
            self._calls += 1
            self._called.notify_all()

    def drain(self) -> int:
        """Work in this thread until nothing is left. How many batches were done."""
        batches = 0
        while self._step(self._stop):
            batches += 1
        return batches

    def stop(self) -> None:
        """Ask the hands to end: they take nothing more, and finish or give back what they hold."""
        self._stop.set()
        with self._called:
            self._called.notify_all()

    def join(self, seconds: float) -> bool:
        """Wait for the hands to end. Whether all did in time."""
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _work(self) -> None:
        PROGRESS.enroll()
        while not self._stop.is_set():
            seen = self._calls  # a call during the step means another look
            if not self._one_step():
                self._rest(seen)
        PROGRESS.forget()
        connections.close_all()

    def _one_step(self) -> bool:
        PROGRESS.note()
        try:
            return self._step(self._stop)
        except Exception as problem:  # noqa: BLE001 - the worker's boundary: record, rest, go on; leases run out
            report("step_failed", problem, crew=self.name)
            connections.close_all()
            self._stop.wait(BREATH)
            return False

    def _rest(self, seen: int) -> None:
        with self._called:
            if self._calls == seen and not self._stop.is_set():
                self._called.wait(self._poll)
