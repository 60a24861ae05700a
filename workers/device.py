"""The one device that all models of this process share."""

import threading
from types import TracebackType
from typing import Final

PASSES: Final = 8  # turns of those in a hurry while another waits, after which it has its own


class Device:
    """A lock that whoever is in a hurry takes before all others that wait for it, though not for ever."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._taken = False
        self._hurried = 0  # of those that wait
        self._usual = 0  # of those that wait
        self._passed = 0  # turns in a hurry since one of the others waits
        self._interrupted = 0  # of those that let others pass and have it back next

    def acquire(self, *, hurried: bool = False) -> None:
        """Wait until the device is free, and take it."""
        with self._changed:
            self._hurried += hurried
            self._usual += not hurried
            try:
                self._changed.wait_for(lambda: not self._taken and self._is_next(hurried=hurried))
                self._taken = True
            finally:
                self._hurried -= hurried
                self._usual -= not hurried
            self._passed = self._passed + 1 if hurried and (self._usual or self._interrupted) else 0

    def _is_next(self, *, hurried: bool) -> bool:
        if hurried:
            return not (self._usual or self._interrupted) or self._passed < PASSES
        return not self._interrupted and (not self._hurried or self._passed >= PASSES)

    def release(self) -> None:
        """Let the next one have it."""
        with self._changed:
            self._taken = False
            self._changed.notify_all()

    def let_pass(self) -> None:
        """Hand the device to those in a hurry who wait for it. The caller has it, and has it back before all others."""
        with self._changed:
            if not self._hurried:
                return
            self._taken, self._passed = False, 0
            self._interrupted += 1
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._taken and (not self._hurried or self._passed >= PASSES))
            self._interrupted -= 1
            self._taken, self._passed = True, 0

    def locked(self) -> bool:
        """Whether somebody has it."""
        return self._taken

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


DEVICE: Final = Device()  # held while something computes on it, and while it is measured
READY: Final = threading.Lock()  # held by the one batch that has begun and waits for the device
