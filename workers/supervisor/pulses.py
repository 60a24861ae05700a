"""How the supervisor sees that a child still works: a value that changes with every beat."""

import http.client
import threading
import time
from collections.abc import Callable, Hashable
from contextlib import suppress
from pathlib import Path
from typing import Protocol


class Pulse(Protocol):
    def read(self) -> Hashable | None:
        """Give a value that differs from the last one after each beat; None before the first."""


class BeatFile:
    """A file that the child touches. Only a change counts, so a clock set back or a laptop asleep does not."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> Hashable | None:
        try:
            return self.path.stat().st_mtime_ns
        except FileNotFoundError:
            return None


class Answering:
    """Count the times that `ask` answered; asked at most once in `every` seconds."""

    def __init__(self, ask: Callable[[], bool], *, every: float) -> None:
        self._ask = ask
        self._every = every
        self._next = 0.0
        self._count = 0

    def read(self) -> Hashable | None:
        if time.monotonic() >= self._next:
            self._count += self._ask()
            self._next = time.monotonic() + self._every
        return self._count or None


class HttpPulse:
    """Count the answers to a request, asked from a thread: a busy server may take long over one."""

    def __init__(self, *, host: str, port: int, path: str, every: float, timeout: float) -> None:
        self._host, self._port, self._path = host, port, path
        self._every, self._timeout = every, timeout
        self._count = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._ask_for_ever, name="http-pulse", daemon=True)

    def read(self) -> Hashable | None:
        if self._thread.ident is None:
            self._thread.start()
        return self._count or None

    def close(self) -> None:
        self._ended.set()

    def _ask_for_ever(self) -> None:
        while not self._ended.is_set():
            status, _ = get(self._host, self._port, self._path, timeout=self._timeout)
            self._count += status is not None  # a refusal is an answer too: the process works
            self._ended.wait(self._every if self._count else min(self._every, 0.2))  # eager before the first answer


def get(name: str, port: int, path: str, *, timeout: float) -> tuple[int | None, str]:
    """Ask the loopback address under a host name. Status and body; None and the reason without an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request("GET", path, headers={"Host": name})
        answer = connection.getresponse()
        return answer.status, answer.read(4000).decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        return None, type(error).__name__
    finally:
        with suppress(OSError):
            connection.close()
