import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from workers.supervisor.children import Child, Program
from workers.supervisor.processes import birth
from workers.supervisor.pulses import BeatFile

BEATING = """
import os, pathlib, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
while True:
    pathlib.Path(os.environ["BEAT_FILE"]).touch()
    time.sleep(0.02)
"""


class Clock:
    """A clock that only a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def make_child(tmp_path, said) -> Iterator[Callable[..., Child]]:
    """Make children that run a piece of Python; nothing of them is left after the test."""
    made: list[Child] = []

    def make(code: str = BEATING, *, name: str = "worker", clock: Callable[[], float] = time.monotonic) -> Child:
        beat = tmp_path / f"{name}.beat"
        program = Program(
            name=name,
            command=(sys.executable, "-c", code),
            environment={**os.environ, "BEAT_FILE": str(beat)},
            folder=tmp_path,
            log=tmp_path / f"{name}.log",
            record=tmp_path / f"{name}.pid",
            beat=beat,
        )
        child = Child(program, BeatFile(beat), say=said.append, clock=clock)
        made.append(child)
        return child

    yield make
    for child in made:
        child.forget()


def eventually(truth: Callable[[], object], *, seconds: float = 10.0) -> None:
    """Wait until something is true, and fail when it does not become so."""
    deadline = time.monotonic() + seconds
    while not truth():
        assert time.monotonic() < deadline, f"still not so after {seconds:g} s"
        time.sleep(0.01)


def is_alive(pid: int) -> bool:
    return birth(pid) is not None


def number_in(path: Path) -> int:
    eventually(lambda: path.exists() and path.read_text().strip().isdecimal())
    return int(path.read_text())
