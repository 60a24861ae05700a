"""What people would use instead, each in processes of its own, on a port of this machine."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from ml.models.choosing import Choice
from tests.benchmarks.measuring import used
from tests.environment import ROOT
from tests.workers.processes import until

APPS = (sys.executable, "-m", "tests.benchmarks.apps")
CROWD = (sys.executable, "-m", "tests.benchmarks.crowd")
CLIENTS = 64  # or two batches, if those are more
WORKERS = (1, 2)  # processes that hold the model: the faster number counts


@dataclass(frozen=True, slots=True)
class Rival:
    """A server that batches: the words that start it, and where it says that it is ready."""

    name: str
    words: Callable[[int], Sequence[str]]  # of a port
    ready: str


LITSERVE = Rival("litserve", lambda port: ("tests.benchmarks.litserving", str(port)), "/health")
BENTOML = Rival(
    "bentoml",
    lambda port: ("bentoml", "serve", "tests.benchmarks.bentoing:Screen", "--host", "127.0.0.1", "--port", str(port)),
    "/readyz",
)


@dataclass(frozen=True, slots=True)
class Measured:
    """What a server that batches gave, and with how many processes."""

    rate: float  # images/s
    cpu: float  # milliseconds of all its processes for one picture
    workers: int
    answers: Mapping[str, Mapping[str, Any]]  # by file


@dataclass(frozen=True, slots=True)
class Started:
    """A command that runs: its process, and the end of what it wrote."""

    pid: int
    tail: Callable[[], str]


@contextmanager
def flask(kind: str, model: Path, port: int) -> Iterator[tuple[httpx.Client, Started]]:
    """Run a view in a process of its own, and give a client of it."""
    with (
        ended([*APPS, kind, str(model), str(port)], {}) as view,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=300) as client,
    ):
        until(lambda: answers(client, "/"), 120, f"the view did not start:\n{view.tail()}")
        yield client, view


@contextmanager
def serving(rival: Rival, python: str, bundle: Path, choice: Choice, workers: int, port: int) -> Iterator[Started]:
    """Run a server that batches with an interpreter of its own; given once it answers."""
    variables = {
        "AGAINST_BUNDLE": str(bundle),
        "AGAINST_WAY": str(choice.way),
        "AGAINST_BATCH": str(choice.batch_size),
        "AGAINST_WORKERS": str(workers),
        "BENTOML_DO_NOT_TRACK": "true",
    }
    with (
        ended([python, "-m", *rival.words(port)], variables) as started,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client,
    ):
        until(lambda: answers(client, rival.ready), 600, f"{rival.name} did not start:\n{started.tail()}", every=0.2)
        yield started
        assert "Traceback" not in started.tail(), started.tail()


@contextmanager
def ended(command: Sequence[str], variables: Mapping[str, str]) -> Iterator[Started]:
    """Run a command with all that it starts until the end of the block."""
    with (
        tempfile.TemporaryFile() as log,
        subprocess.Popen(
            command, cwd=ROOT, stdout=log, stderr=log, env={**os.environ, **variables}, start_new_session=True
        ) as process,
    ):

        def tail() -> str:
            log.seek(0)
            return log.read().decode(errors="replace")[-4000:]

        try:
            yield Started(process.pid, tail)
        finally:
            end(psutil.Process(process.pid))


def end(process: psutil.Process) -> None:
    """End a process and all below it, some of which may have sessions of their own."""
    everyone = [process, *process.children(recursive=True)]
    process.terminate()
    psutil.wait_procs(everyone, timeout=10)
    for left in everyone:
        with suppress(psutil.NoSuchProcess):
            left.kill()


def answers(client: httpx.Client, path: str) -> bool:
    try:
        return client.get(path).is_success
    except httpx.HTTPError:
        return False


def crowded(url: str, folder: Path, clients: int) -> dict[str, Any]:
    """Send the files of a folder from a process of its own."""
    command = [*CROWD, url, str(clients), str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return dict(json.loads(done.stdout))


def fastest(
    rival: Rival, python: str, bundle: Path, choice: Choice, folders: Sequence[Path], port: Callable[[], int]
) -> Measured:
    """Measure a server with each number of processes, warmed up with the first folder, on the second."""
    warm, measured = folders
    count, clients = len(list(measured.iterdir())), clients_for(choice)
    found = []
    for workers in WORKERS:
        place = port()
        with serving(rival, python, bundle, choice, workers, place) as server:
            url = f"http://127.0.0.1:{place}/screen"
            crowded(url, warm, clients)
            before = used(server)["cpu"]
            told = crowded(url, measured, clients)
            cpu = (used(server)["cpu"] - before) / count * 1000
        heard = {name: one[0] for name, one in told["answers"].items()}
        found.append(Measured(count / told["seconds"], cpu, workers, heard))
    return max(found, key=lambda one: one.rate)


def clients_for(choice: Choice) -> int:
    return max(CLIENTS, 2 * choice.batch_size)
