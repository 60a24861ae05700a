"""Connections that stay are shared between the web processes, so that every core answers."""

import http.client
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.client.service import answers, free_port
from tests.workers.processes import until
from workers.supervisor.plan import GUNICORN_CONF
from workers.supervisor.sharing import patience

ROOT = Path(__file__).parents[2]
CONNECTIONS = 40


def tells_its_process(_: dict[str, object], start_response: Callable[..., object]) -> Iterable[bytes]:
    """Answer with the number of the process, as a web process under the service's own settings."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]


@pytest.fixture
def port(tmp_path):
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "-c", GUNICORN_CONF, "--bind", f"127.0.0.1:{port}"]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            [*command, f"{__name__}:tells_its_process"], cwd=ROOT, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            until(lambda: answers(port), 60, "no answer", every=0.1)
            yield port
        finally:
            process.terminate()
            process.wait(20)


def process_that_answers(port: int) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", "/")
        return connection.getresponse().read()
    finally:
        connection.close()


def test_connections_that_stay_are_shared_between_the_processes(port):
    seen: set[bytes] = set()
    until(lambda: seen.add(process_that_answers(port)) or len(seen) == 2, 60, "one process alone answers", every=0.02)
    with ExitStack() as open_connections:
        held = [http.client.HTTPConnection("127.0.0.1", port, timeout=30) for _ in range(CONNECTIONS)]
        for connection in held:
            open_connections.callback(connection.close)
            connection.connect()
        holders: Counter[bytes] = Counter()
        for connection in held:
            connection.request("GET", "/")
            holders[connection.getresponse().read()] += 1
    assert len(holders) == 2
    assert min(holders.values()) >= CONNECTIONS // 4, holders


def test_who_holds_more_connections_waits_longer_and_never_long():
    assert patience(0) == 0
    assert 0 < patience(3) < patience(15) < patience(100) == patience(1000) <= 0.01
