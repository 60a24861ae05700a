"""Strike a decoding child while it holds a file, as the kernel does when a decoder goes wrong."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from workers.decoding.pool import DecoderPool


def make_endless(path: Path) -> Path:
    """Put a file there whose reading never ends: nobody writes to this pipe."""
    path.unlink(missing_ok=True)
    os.mkfifo(path, 0o600)
    return path


def server_of(pool: DecoderPool) -> psutil.Process:
    assert pool._server is not None
    return psutil.Process(pool._server.pid)


def child_at_work(pool: DecoderPool) -> psutil.Process:
    for _ in range(3000):
        if pool._server is not None and (children := server_of(pool).children()):
            return children[0]
        time.sleep(0.01)
    raise AssertionError("no child was started")


@contextmanager
def striking(pool: DecoderPool, number: signal.Signals) -> Iterator[None]:
    """Send a signal to the child a moment after the body gave it a file."""

    def strike() -> None:
        child = child_at_work(pool)
        time.sleep(0.3)  # it is waiting for the pipe by then
        child.send_signal(number)

    striker = threading.Thread(target=strike)
    striker.start()
    yield
    striker.join()
