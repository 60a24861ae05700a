"""The whole service under its supervisor, as `make up` runs it: real broker, web, workers and reconciler.

Without models: that a shipped bundle reproduces its reference scores is asked elsewhere, and takes TensorFlow.
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.environment import ROOT
from tests.front.conftest import eventually, is_alive
from workers.supervisor.pulses import get

pytestmark = pytest.mark.timeout(900)  # on a busy machine each of a dozen processes takes long to start

NAMES = ("valkey", "web", "ingest", "inference", "reconciler")
READY = re.compile(r"Ready after \d+ s: (http://127\.0\.0\.1:\d+)")


def environment(state: Path, port: int) -> dict[str, str]:
    """Give the variables of an embedded installation, whatever this test run itself stands on."""
    (state.parent / "models").mkdir(exist_ok=True)
    embedded = dict.fromkeys(("DATABASE_URL", "REDIS_URL", "SECRET_KEY"), "")
    own = {"STATE_DIR": str(state), "MODEL_ROOT": str(state.parent / "models"), "PORT": str(port)}
    return {**os.environ, **embedded, **own}


class Up:
    """One run of `python -m workers.supervisor` on a state folder of its own."""

    def __init__(self, state: Path, port: int) -> None:
        self.state, self.port = state, port
        self.told = state.parent / "told"
        with self.told.open("wb") as told:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "workers.supervisor"],
                cwd=ROOT,
                env=environment(state, port),
                stdout=told,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def words(self) -> str:
        return self.told.read_text()

    def wait_until_ready(self) -> None:
        eventually(lambda: READY.search(self.words()) or self.process.poll() is not None, seconds=400)
        assert self.process.poll() is None, self.words()

    def pid(self, name: str) -> int:
        return int((self.state / "run" / f"{name}.pid").read_text().split()[0])

    def pids(self) -> list[int]:
        return [self.pid(name) for name in NAMES]

    def end(self, number: signal.Signals, seconds: float) -> int:
        self.process.send_signal(number)
        return self.process.wait(seconds)


@pytest.fixture
def up(tmp_path_factory):
    """Start services on one state folder; none is left after the test."""
    state = tmp_path_factory.mktemp("up") / "var"
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        port = trial.getsockname()[1]
    started: list[Up] = []

    def start() -> Up:
        started.append(Up(state, port))
        return started[-1]

    yield start
    for service in started:
        if service.process.poll() is None:
            service.end(signal.SIGTERM, 15)


def test_service_starts_replaces_what_dies_and_ends_within_ten_seconds(up):
    service = up()
    service.wait_until_ready()
    [link] = re.findall(rf"^sign-in: (http://127\.0\.0\.1:{service.port}/enter/\S+)$", service.words(), re.MULTILINE)
    assert [path.name for path in service.state.rglob("*.log") if link in path.read_text()] == []
    assert get("localhost", service.port, "/readyz", timeout=5)[0] == 200
    assert all(is_alive(pid) for pid in service.pids())
    assert {path.stat().st_mode & 0o077 for path in service.state.rglob("*")} == {0}, "the state is its owner's alone"

    killed = service.pid("inference")
    os.kill(killed, signal.SIGKILL)
    eventually(lambda: "inference was ended by SIGKILL; it starts again in 0.5 s" in service.words())
    eventually(lambda: (service.state / "run" / "inference.pid").exists() and service.pid("inference") != killed)
    eventually((service.state / "run" / "inference.beat").exists, seconds=60)
    pids, began = service.pids(), time.monotonic()

    assert service.end(signal.SIGINT, 12) == 0

    assert time.monotonic() - began < 10
    assert [pid for pid in pids if is_alive(pid)] == []
    assert service.words().splitlines()[-1] == "stopped; nothing is lost, `make up` goes on from here"


def test_killed_supervisor_leaves_nothing_behind_and_the_next_start_goes_on(up):
    service = up()
    service.wait_until_ready()
    secret = (service.state / "secret_key").read_text()
    pids = service.pids()

    service.end(signal.SIGKILL, 5)

    eventually(lambda: not any(is_alive(pid) for pid in pids), seconds=15)
    again = up()
    again.wait_until_ready()
    assert (again.state / "secret_key").read_text() == secret


def test_second_start_says_where_the_first_one_is_and_leaves_it_alone(up):
    service = up()
    eventually((service.state / "run" / "supervisor.lock").exists)
    eventually((service.state / "run" / "supervisor.lock").read_text)
    second = subprocess.run(
        [sys.executable, "-m", "workers.supervisor"],
        cwd=ROOT,
        env=environment(service.state, 1),
        capture_output=True,
        text=True,
        check=False,
    )

    holder = json.loads((service.state / "run" / "supervisor.lock").read_text())
    assert second.returncode == 1
    assert f"already running at {holder['address']} (process {service.process.pid})" in second.stdout
    assert service.process.poll() is None


def test_ctrl_c_during_the_preparation_ends_it_cleanly(up):
    service = up()
    eventually(lambda: "preparing database and models" in service.words(), seconds=30)

    assert service.end(signal.SIGINT, 10) == 0

    assert "stopped before the start was complete" in service.words()
    assert list((service.state / "run").glob("*.pid")) == []


def test_wrong_variables_stop_the_start_and_are_all_named(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "workers.supervisor"],
        cwd=ROOT,
        env={**os.environ, "STATE_DIR": str(tmp_path / "var"), "PORT": "high", "DEBUG": "perhaps", "SECRET_KEY": ""},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2
    assert "DEBUG must be true or false, got 'perhaps'" in done.stdout
    assert "PORT must be a whole number of at least 1, got 'high'" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
