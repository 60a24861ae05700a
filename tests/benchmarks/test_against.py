"""The service against what people would use instead, with the same model and pictures in the same run.

Ours counts everything from the first byte to the last committed result: hashing and storing each file, the receipt, the
audit. Theirs counts the request over HTTP on this machine and keeps nothing.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from django.core.management import call_command

from ml.models.bundle import read_card
from tests.benchmarks.measuring import say
from tests.benchmarks.sending import radiographs
from tests.benchmarks.service import Service, service
from tests.environment import ROOT
from tests.workers.processes import until

IMAGES = int(os.environ.get("BENCH_IMAGES", "1000"))
APPS = (sys.executable, "-m", "tests.benchmarks.apps")
FOR_PREDICT, FOR_LOAD = 100, 5  # requests; the slower way gets fewer
pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(1800), pytest.mark.django_db(transaction=True)]


@contextmanager
def flask(kind: str, model: Path, port: int) -> Iterator[httpx.Client]:
    """Run a view in a process of its own, and give a client of it."""
    command = [*APPS, kind, str(model), str(port)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=300) as client:
                until(lambda: answers(client), 120, "the view did not start")
                yield client
        finally:
            process.kill()


def answers(client: httpx.Client) -> bool:
    try:
        return client.get("/").is_success
    except httpx.HTTPError:
        return False


def rate(client: httpx.Client, files: Sequence[bytes]) -> float:
    """Pictures a second, one request after the other, as the views of tutorials are used."""
    client.post("/", content=files[0]).raise_for_status()
    started = time.perf_counter()
    for content in files:
        client.post("/", content=content).raise_for_status()
    return len(files) / (time.perf_counter() - started)


def timed(running: Service, files: Sequence[bytes], names: Sequence[str]) -> float:
    """Pictures a second from the first byte to the last result."""
    started = time.perf_counter()
    running.finish(running.send(files, names))
    return len(files) / (time.perf_counter() - started)


def test_the_service_against_the_views_of_the_tutorials(
    real_pictures: Path,
    broker: str,
    child_environment: Callable[..., dict[str, str]],
    tmp_path: Path,
    four_models: list[Path],
    free_tcp_port_factory: Callable[[], int],
) -> None:
    call_command("register_model", *map(str, four_models))
    names = [read_card(folder).name for folder in four_models]
    files = radiographs(real_pictures, IMAGES + 64)
    half = len(files) // 2
    with service(child_environment, tmp_path, MODEL_ROOT=str(tmp_path / "models")) as running:
        running.finish(running.send(files[:32], names))
        one = timed(running, files[32:half], names[:1])
        four = timed(running, files[half:], names)
    model = tmp_path / "model.keras"
    subprocess.run([*APPS, "save", str(four_models[0]), str(model)], cwd=ROOT, capture_output=True, check=True)
    with flask("predict", model, free_tcp_port_factory()) as client:
        predicted = rate(client, files[:FOR_PREDICT])
    with flask("load", model, free_tcp_port_factory()) as client:
        loaded = rate(client, files[:FOR_LOAD])

    say("service_1_model", one, "images/s", half - 32)
    say("service_4_models", four, "images/s", len(files) - half)
    say("flask_predict", predicted, "images/s", FOR_PREDICT)
    say("flask_four_models_loaded_per_request", loaded, "images/s", FOR_LOAD)
    say("against_flask_shipped", one / predicted, "times", half - 32)
    say("against_s1_flow", four / loaded, "times", len(files) - half)
