"""Decoding children as a worker uses them: borrowed for a file, replaced when one dies or has served long."""

import os
import select
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from signal import SIGALRM, SIGXCPU
from typing import Any, Final

import structlog

from workers.decoding import wire

log = structlog.get_logger(__name__)

ROOT: Final = Path(__file__).resolve().parents[2]
SERVER = "workers.decoding.server"  # a fault test names one of its own
FILES_PER_CHILD: Final = 500  # then a fresh one: leaks of decoders stay small
START_SECONDS: Final = 120.0  # for a server on a busy machine to import the decoders; no file's time runs yet
GRACE_SECONDS: Final = 5.0  # beyond the child's own clock, before it is killed from outside
KEPT_BYTES: Final = 32 * 1024 * 1024  # the most that every version of glibc takes as a threshold
LIMIT_SIGNALS: Final = frozenset({-SIGALRM, -SIGXCPU})


class ChildCrashed(Exception):
    """A signal ended the child while it held a file."""


class ChildOverLimit(Exception):
    """The child took more time than a file is allowed."""


class DecoderUnavailable(Exception):
    """The server of the children is gone; that is not the file's fault."""


@dataclass(slots=True)
class _Child:
    number: int
    link: socket.socket
    status: int
    served: int = 0


class DecoderPool:
    """Children forked from one server process, which is started at first use and again when it dies."""

    def __init__(self, *, mebibytes: int) -> None:
        self._mebibytes = mebibytes
        self._lock = threading.Lock()
        self._numbers = count(1)
        self._idle: list[_Child] = []
        self._server: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._closed = False

    def ask(self, request: dict[str, Any], *, seconds: int) -> dict[str, Any]:
        """Let a child answer a request within its limits.

        Raises:
            ChildCrashed: a signal ended the child.
            ChildOverLimit: it took too long.
            DecoderUnavailable: no child could be had, twice, or the server died twice under it.
        """
        try:
            return self._ask(request, seconds)
        except DecoderUnavailable:
            if self._closed:
                raise
            log.warning("decoder_server_replaced")
            with self._lock:
                self._drop_server()
            return self._ask(request, seconds)

    def _ask(self, request: dict[str, Any], seconds: int) -> dict[str, Any]:
        with self._borrowed() as child:
            child.link.settimeout(seconds + GRACE_SECONDS)
            try:
                wire.send(child.link, {**request, "seconds": seconds})
                return wire.receive(child.link)
            except TimeoutError:
                self._command(wire.KILL, child.number)
                raise ChildOverLimit from None
            except wire.Gone:
                raise _how_it_ended(child) from None

    def close(self) -> None:
        """End the server and with it every child, also one that holds a file. None is started any more."""
        self._closed = True
        if (server := self._server) is not None:
            server.kill()  # before the lock: whoever has it may be waiting for a child
        with self._lock:
            self._drop_server()

    @contextmanager
    def _borrowed(self) -> Iterator[_Child]:
        with self._lock:
            child = self._living() or self._spawn()
        healthy = False
        try:
            yield child
            child.served += 1
            healthy = child.served < FILES_PER_CHILD
        finally:
            with self._lock:
                if healthy and self._server is not None:
                    self._idle.append(child)
                else:
                    _close(child)

    def _living(self) -> _Child | None:
        while self._idle:
            child = self._idle.pop()
            readable, _, _ = select.select([child.link], [], [], 0)
            if not readable:
                return child
            _close(child)  # an idle child says nothing: its link can be read only because it closed
        return None

    def _spawn(self) -> _Child:
        if self._server is None or self._server.poll() is not None:
            self._start_server()
        ours, theirs = socket.socketpair()
        status_read, status_write = os.pipe()
        number = next(self._numbers)
        try:
            self._command(wire.SPAWN, number, theirs.fileno(), status_write)
        except DecoderUnavailable:
            ours.close()
            os.close(status_read)
            raise
        finally:
            theirs.close()
            os.close(status_write)
        return _ready(_Child(number, ours, status_read))

    def _command(self, what: bytes, number: int, *descriptors: int) -> None:
        control = self._control
        try:
            if control is None:
                raise BrokenPipeError
            socket.send_fds(control, [wire.COMMAND.pack(what, number)], descriptors)
        except OSError as broken:
            raise DecoderUnavailable("The process that decoders are forked from has ended.") from broken

    def _start_server(self) -> None:
        self._drop_server()
        if self._closed:
            raise DecoderUnavailable("This worker is ending.")
        ours, theirs = socket.socketpair()
        with theirs:
            self._server = subprocess.Popen(  # noqa: S603 - our own module
                [sys.executable, "-P", "-m", SERVER, str(theirs.fileno()), str(self._mebibytes)],
                pass_fds=[theirs.fileno()],
                env=_clean_environment(),
                cwd="/",  # never a folder of uploads: python-gdcm imports a module named `dl`
                stdin=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C ends the worker, and the worker ends this
            )
        self._control = ours

    def _drop_server(self) -> None:
        for child in self._idle:
            _close(child)
        self._idle.clear()
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._server is not None:
            with suppress(subprocess.TimeoutExpired):
                self._server.wait(2.0)
            self._server.kill()
            self._server.wait()
            self._server = None


def _clean_environment() -> dict[str, str]:
    """Nothing of the service: a decoder that is taken over finds no secret and no address of a database."""
    return {
        "PATH": "/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(ROOT),
        "OPENBLAS_NUM_THREADS": "1",  # the server forks, so it must have one thread
        "OMP_NUM_THREADS": "1",
        # Freed pixels stay with the child for its next file (glibc). Given back, each picture faults its memory in
        # anew, which took a third of a child's time. The limit of its memory stands as before.
        "MALLOC_MMAP_THRESHOLD_": str(KEPT_BYTES),
        "MALLOC_TRIM_THRESHOLD_": str(KEPT_BYTES),
    }


def _ready(child: _Child) -> _Child:
    """Wait until the child says that it serves."""
    child.link.settimeout(START_SECONDS)
    try:
        wire.receive(child.link)
    except (TimeoutError, wire.Gone) as silent:
        _close(child)
        raise DecoderUnavailable("No decoding child could be started.") from silent
    return child


def _how_it_ended(child: _Child) -> Exception:
    ready, _, _ = select.select([child.status], [], [], GRACE_SECONDS)
    data = os.read(child.status, wire.STATUS.size) if ready else b""
    if len(data) < wire.STATUS.size:  # the server died with it
        return DecoderUnavailable("The process that decoders are forked from died.")
    (status,) = wire.STATUS.unpack(data)
    log.warning("decoder_ended", status=status)
    return ChildOverLimit() if status in LIMIT_SIGNALS else ChildCrashed()


def _close(child: _Child) -> None:
    child.link.close()
    os.close(child.status)
