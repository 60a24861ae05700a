"""The web processes share new connections: who holds more of them lets the others go first.

All processes wait on one listening socket, and the kernel wakes the same one first every time. Scripts and browsers
keep their connections: without this, one process answered 46 of 50 pollers while its neighbour idled.
"""

import socket
import time

from gunicorn.workers.gthread import ThreadWorker

__all__ = ["SharingWorker", "patience"]


def patience(held: int) -> float:
    """Give the seconds for which a process that holds so many connections lets the others go first."""
    return min(held * 0.0005, 0.01)


class SharingWorker(ThreadWorker):  # type: ignore[misc] # the package has no types
    """Gunicorn's worker with threads, polite to its neighbours."""

    def accept(self, listener: socket.socket) -> None:
        """Take a new connection, unless a process with fewer took it meanwhile."""
        time.sleep(patience(self.nr_conns))
        super().accept(listener)
