"""The service against what people would use instead, with the same model and pictures in the same run.

Ours counts everything from the first byte to the last committed result: hashing and storing each file, the gate, the
receipt, the audit. Theirs counts the request over HTTP on this machine and keeps nothing. In the first test our files
arrive by calls of Python, in the others over HTTP, through the web processes and by the client of programs.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import httpx
import pytest
from django.conf import settings as configured
from django.core.management import call_command

from chest_client import Client
from ml.inference import BATCH_SIZE
from ml.models.bundle import read_card
from ml.models.choosing import Choice
from ml.models.runtime import EXACT, Way
from screening.results.models import ScreeningState
from screening.uploads.models import Upload
from tests.benchmarks.measuring import CORES, say, used
from tests.benchmarks.rivals import APPS, BENTOML, LITSERVE, Measured, clients_for, fastest, flask
from tests.benchmarks.sending import radiographs
from tests.benchmarks.service import Service, door, service
from tests.benchmarks.untrained import folder_of
from tests.environment import ROOT

IMAGES = int(os.environ.get("BENCH_IMAGES", "1000"))
LARGE = int(os.environ.get("BENCH_LARGE", "100"))  # pictures for the models that take a tenth of a second each
PYTHON = os.environ.get("AGAINST_PYTHON", "")
NO_PYTHON = "AGAINST_PYTHON names no interpreter with LitServe and BentoML; `make against` makes one and names it"
WARM = 96  # pictures before the clock starts
FOR_PREDICT, FOR_LOAD = 100, 5  # requests; the slower way gets fewer
ALIKE = 0.02  # between our score of a picture and a server's: another batch rounds otherwise, another graph is far off
pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(3600), pytest.mark.django_db(transaction=True)]


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


def load() -> float:
    """How many processes wanted a core in the last minute, our own among them."""
    return round(os.getloadavg()[0], 1)


def keras_file(bundle: Path, place: Path) -> Path:
    subprocess.run([*APPS, "save", str(bundle), str(place)], cwd=ROOT, capture_output=True, check=True)
    return place


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
    model = keras_file(four_models[0], tmp_path / "model.keras")
    with flask("predict", model, free_tcp_port_factory()) as (client, _):
        predicted = rate(client, files[:FOR_PREDICT])
    with flask("load", model, free_tcp_port_factory()) as (client, _):
        loaded = rate(client, files[:FOR_LOAD])

    say("service_1_model", one, "images/s", half - 32)
    say("service_4_models", four, "images/s", len(files) - half)
    say("flask_predict", predicted, "images/s", FOR_PREDICT)
    say("flask_four_models_loaded_per_request", loaded, "images/s", FOR_LOAD)
    say("against_flask_shipped", one / predicted, "times", half - 32, load=load())
    say("against_s1_flow", four / loaded, "times", len(files) - half, load=load())


@dataclass(frozen=True, slots=True)
class Ours:
    """What the service gave over HTTP, and by what it computed."""

    rate: float  # images/s
    cpu: float  # milliseconds of web processes and workers for one picture
    choice: Choice
    tried: Mapping[str, object]  # by way: planes a second of the model alone, or why it is not used
    scores: Mapping[str, Mapping[str, float]]  # by SHA-256 of the file


def ours(environment: Callable[..., dict[str, str]], folder: Path, bundle: Path, warm: Path, measured: Path) -> Ours:
    """Measure the service as programs use it, warmed up with one folder, on another."""
    name = read_card(bundle).name
    for place in choices():  # of an earlier test: it is found anew, so that what was tried can be told
        place.unlink()
    root = {"MODEL_ROOT": str(folder / "models")}
    with (
        service(environment, folder, **root) as running,
        door(environment, folder, running.site, **root) as (client, web),
    ):
        sent(client, running, warm, name)
        choice, tried = what_was_chosen()
        processes = (web, running.ingest, running.inference)
        before = sum(used(process)["cpu"] for process in processes)
        rate, upload = sent(client, running, measured, name)
        cpu = (sum(used(process)["cpu"] for process in processes) - before) / upload.items.count() * 1000
    ways = set(upload.screenings.filter(state=ScreeningState.SCORED).values_list("runtime", "precision"))
    assert ways == {(choice.way.runtime, choice.way.precision)}
    done = upload.screenings.filter(state=ScreeningState.SCORED).values_list("image__sha256", "scores")
    return Ours(rate, cpu, choice, tried, dict(done))


def what_was_chosen() -> tuple[Choice, dict[str, object]]:
    """By what the inference worker computes since it loaded the model, and what came of each way that it tried."""
    kept = [json.loads(place.read_text()) for place in choices()]
    if not kept:
        return Choice(EXACT, BATCH_SIZE), {"untried": "there was no time to try the ways"}
    [document] = kept
    return Choice(Way(**document["way"]), document["batch_size"]), {
        str(Way(**one["way"])): one["refused"] or one["planes_per_second"] for one in document["tried"]
    }


def choices() -> list[Path]:
    """Where workers of this test run keep by what they compute."""
    return list((Path(configured.CONFIG.state_dir) / "runtimes").glob("*.json"))


def written(files: Sequence[bytes], folder: Path) -> Path:
    """Put files into a folder, each under its hash: one that is there twice is sent once."""
    folder.mkdir()
    for content in files:
        (folder / f"{sha256(content).hexdigest()}.jpg").write_bytes(content)
    return folder


def sent(client: Client, running: Service, folder: Path, model: str) -> tuple[float, Upload]:
    """Send a folder over HTTP; pictures a second from the first look at it to the last result."""
    count = len(list(folder.iterdir()))
    started = time.perf_counter()
    upload = Upload.objects.get(pk=client.send_folder(folder, site=str(running.site.pk), models=[model]).id)
    running.finish(upload)
    return count / (time.perf_counter() - started), upload


def largest_difference(mine: Ours, theirs: Measured) -> float:
    """Between our scores and a server's, of all pictures that both scored: what shows that the graph is the same."""
    pairs = [
        (mine.scores[name], answer["scores"])
        for file, answer in theirs.answers.items()
        if (name := Path(file).stem) in mine.scores and answer["outcome"] == "scored"
    ]
    assert len(pairs) > len(theirs.answers) / 2
    return max(abs(one[label] - other[label]) for one, other in pairs for label in one)


@pytest.mark.parametrize("kind", ["shipped", "resnet50", "vgg16"])
def test_the_service_against_a_view_and_servers_that_batch(
    kind: str,
    real_pictures: Path,
    broker: str,
    child_environment: Callable[..., dict[str, str]],
    tmp_path: Path,
    four_models: list[Path],
    free_tcp_port_factory: Callable[[], int],
) -> None:
    count = IMAGES if kind == "shipped" else LARGE
    bundle = four_models[0] if kind == "shipped" else drawn(kind, tmp_path / "models")
    call_command("register_model", str(bundle))
    files = radiographs(real_pictures, WARM + count)
    folders = [written(files[:WARM], tmp_path / "warm"), written(files[WARM:], tmp_path / "measured")]
    mine = ours(child_environment, tmp_path, bundle, *folders)
    way = {
        "model": read_card(bundle).name,
        "weights": "trained" if kind == "shipped" else "drawn, not trained: speed alone is measured",
        "runtime": mine.choice.way.runtime,
        "precision": mine.choice.way.precision,
        "batch": mine.choice.batch_size,
        "cores": CORES,
    }
    about = {"ours": round(mine.rate, 1), "our_cpu_ms": round(mine.cpu, 1), "through": "HTTP", **way}
    say(f"service_{kind}", mine.rate, "images/s", count, scored=len(mine.scores), tried=mine.tried, **way)

    if kind != "shipped":  # that one is measured with the tutorials above
        few = files[WARM:][:FOR_PREDICT]
        with flask("predict", keras_file(bundle, tmp_path / "model.keras"), free_tcp_port_factory()) as (client, view):
            client.post("/", content=few[0])
            before = used(view)["cpu"]
            predicted = rate(client, few)
            cpu = (used(view)["cpu"] - before) / (len(few) + 1) * 1000  # it is asked once more, to warm up
        theirs = {"theirs": round(predicted, 1), "their_cpu_ms": round(cpu, 1), "their_runtime": "keras predict"}
        say(f"against_flask_{kind}", mine.rate / predicted, "times", count, **theirs, load=load(), **about)

    if not PYTHON:
        figures = [f"against_{rival.name}_{kind}" for rival in (LITSERVE, BENTOML)]
        sys.stdout.write(json.dumps({"left_out": figures, "because": NO_PYTHON}) + "\n")
        return
    for rival in (LITSERVE, BENTOML):
        server = fastest(rival, PYTHON, bundle, mine.choice, folders, free_tcp_port_factory)
        differs = largest_difference(mine, server)
        theirs = {"theirs": round(server.rate, 1), "their_cpu_ms": round(server.cpu, 1), "processes": server.workers}
        more = {"clients": clients_for(mine.choice), "scores_differ_by": round(differs, 6), "load": load()}
        say(f"against_{rival.name}_{kind}", mine.rate / server.rate, "times", count, **theirs, **more, **about)
        assert differs < ALIKE


def drawn(architecture: str, root: Path) -> Path:
    """Write a bundle with drawn weights from a process of its own, which takes TensorFlow's threads with it."""
    command = [sys.executable, "-m", "tests.benchmarks.untrained", architecture, str(root)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return folder_of(architecture, root)
