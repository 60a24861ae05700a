"""The one device that all models of this process share."""

import threading
from types import TracebackType
from typing import Final


class Device:
    """A lock that whoever is in a hurry takes before all others that wait for it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._taken = False
        self._hurried = 0  # of those that wait

    def acquire(self, *, hurried: bool = False) -> None:
        """Wait until the device is free, and take it."""
        with self._changed:
            self._hurried += hurried
            try:
                self._changed.wait_for(lambda: not self._taken and (hurried or not self._hurried))
                self._taken = True
            finally:
                self._hurried -= hurried

    def release(self) -> None:
        """Let the next one have it."""
        with self._changed:
            self._taken = False
            self._changed.notify_all()

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
