"""The service as an integrator meets it: gunicorn, workers and a broker, on a state of their own."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from django.conf import settings

from screening.config import broker_socket
from tests.environment import ROOT
from tests.workers.processes import Process, running, until
from workers.supervisor.pulses import get
from workers.supervisor.valkey import EmbeddedValkey

DOORS = 100  # more than there are tests


@dataclass(frozen=True, slots=True)
class Door:
    """A site of its own, and the token of its integrator."""

    url: str
    site: str
    token: str


@dataclass(slots=True)
class RunningService:
    url: str
    doors: Iterator[Door]
    reader: Door
    admin: Door  # an administrator's, for webhooks alone
    processes: Mapping[str, Process]


def free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return trial.getsockname()[1]


def variables(state: Path, port: int) -> dict[str, str]:
    """Name an installation of its own, whatever this test run itself stands on."""
    return {
        **os.environ,
        "DATABASE_URL": f"sqlite:///{state / 'screening.sqlite3'}",
        "REDIS_URL": f"redis+socket://{broker_socket(state)}",
        "STATE_DIR": str(state),
        "PORT": str(port),
        "POLL_SECONDS": "1",
        "DJANGO_SETTINGS_MODULE": "tests.faults.settings",
        "FAULTS_ALLOWED": "true",
        "FAULT_NOOP": "0.001",
    }


@contextmanager
def service() -> Iterator[RunningService]:
    """Run everything until the end of the block."""
    state = Path(tempfile.mkdtemp(prefix="c-"))  # short: a socket's path ends at about 107 bytes
    try:
        with started(state, free_port()) as running_service:
            yield running_service
    finally:
        shutil.rmtree(state, ignore_errors=True)


@contextmanager
def started(state: Path, port: int) -> Iterator[RunningService]:
    environment = variables(state, port)
    run(environment, "manage.py", "migrate", "--verbosity", "0")
    seeded = json.loads(run(environment, "-m", "tests.client.seed", str(DOORS)))
    broker_socket(state).parent.mkdir(parents=True, exist_ok=True)
    broker = EmbeddedValkey(state / "valkey", broker_socket(state), environment=environment)
    config = replace(settings.CONFIG, port=port)
    names = ("web", "ingest", "inference", "reconciler")
    processes = {name: Process(name, environment, state, config=config) for name in names}
    url = f"http://127.0.0.1:{port}"
    broker.start()
    try:
        with running(*processes.values()):
            for process in processes.values():
                process.start()
            for name in names[1:]:
                processes[name].wait_for_beat(120)
            until(lambda: answers(port), 60, f"no answer:\n{processes['web'].tail()}", every=0.1)
            doors = iter([Door(url, **one) for one in seeded["doors"]])
            others = [Door(url, **seeded[name]) for name in ("reader", "admin")]
            yield RunningService(url, doors, *others, processes)
    finally:
        broker.stop()


def run(environment: Mapping[str, str], *words: str) -> str:
    done = subprocess.run(
        [sys.executable, *words], env=environment, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def answers(port: int) -> bool:
    try:
        return get("127.0.0.1", port, "/healthz", timeout=5)[0] == 200
    except OSError:
        return False
