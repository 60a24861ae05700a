"""A poller that is killed and started again misses no change, while two processes write results and are killed, too."""

import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from rest_framework.test import APIClient

from ml.vocabulary import DISCLAIMER_VERSION, PIPELINE
from screening.flows.reclaim import reclaim_expired
from screening.results.models import PENDING, ModelVersion, Screening
from screening.studies.models import Image, Study
from screening.users.models import ApiToken, Role, Scope, Site
from tests.client.service import answers, free_port
from tests.environment import ROOT
from tests.factories import ModelVersionFactory, SiteFactory, UploadFactory, UserFactory
from tests.faults.service import say
from tests.workers.processes import Process, running, until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(3600)]
Build = Callable[..., dict[str, str]]
LEASE = {"LEASE_SECONDS": "3"}


@dataclass
class Program:
    """A process of this test, which may be killed and started again at any moment."""

    words: list[str]
    environment: dict[str, str]
    log: Path
    popen: subprocess.Popen[bytes] | None = None
    deaths: int = 0

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.popen = subprocess.Popen(self.words, env=self.environment, cwd=ROOT, stdout=log, stderr=log)

    def alive(self) -> bool:
        return self.popen is not None and self.popen.poll() is None

    def kill_and_restart(self) -> None:
        if self.alive():
            self.popen.send_signal(signal.SIGKILL)
            self.popen.wait(10)
            self.deaths += 1
            self.start()

    def end(self) -> None:
        if self.alive():
            self.popen.kill()
            self.popen.wait(10)


def waiting_results(count: int) -> tuple[Site, list[ModelVersion]]:
    """Lay `count` screenings that wait: two models on each picture, so that both writers change every study."""
    site, models = SiteFactory(), [ModelVersionFactory(slug=f"xray-{name}") for name in ("one", "two")]
    upload = UploadFactory(site=site, sealed=True)
    studies = [
        Study(site=site, upload=upload, grouping=f"file:{number:064x}", modality="xray", state="screening")
        for number in range(count // 2)
    ]
    images = [
        Image(
            site=site,
            study=study,
            sha256=f"{number:064x}",
            kind="png",
            source_name="source.png",
            modality="xray",
            rows=4,
            columns=4,
            pixels_sha256=f"{number:064x}",
            plane_sha256="p" * 64,
            pipeline=PIPELINE,
        )
        for number, study in enumerate(studies)
    ]
    rows = [
        Screening(
            site=site,
            upload=upload,
            study=image.study,
            image=image,
            model_version=model,
            pipeline=PIPELINE,
            rank=float(number),
        )
        for number, image in enumerate(images)
        for model in models
    ]
    Study.objects.bulk_create(studies, batch_size=500)
    Image.objects.bulk_create(images, batch_size=500)
    Screening.objects.bulk_create(rows, batch_size=500)
    return site, models


@contextmanager
def web(environment: dict[str, str], folder: Path) -> Iterator[str]:
    port = free_port()
    process = Process("web", environment, folder, config=replace(settings.CONFIG, port=port))
    with running(process.start()):
        until(lambda: answers(port), 120, f"no answer:\n{process.tail()}", every=0.1)
        yield f"http://127.0.0.1:{port}"


def token_at(site: Site) -> str:
    whose = {"user": UserFactory(role_at=(site, Role.INTEGRATOR)), "site": site, "name": "a poller"}
    return ApiToken.objects.create(
        **whose, scopes=[Scope.READ], disclaimer_version=DISCLAIMER_VERSION, expiry=timedelta(days=1)
    )[1]


def pending() -> int:
    return Screening.objects.filter(state__in=PENDING).count()


def strike(programs: list[Program], pauses: tuple[float, float], patience: float) -> None:
    """Kill one of the programs after another, a while apart, until every result is written."""
    chance, began = random.Random(20), time.monotonic()
    strikes = 0
    while pending():
        assert time.monotonic() - began < patience, f"{pending()} results are left"
        time.sleep(chance.uniform(*pauses))
        reclaim_expired()
        strikes += 1
        poller, *writers = programs
        # A writer takes longer to come back than a poller: it is struck more rarely.
        (poller if strikes % 4 else chance.choice(writers)).kill_and_restart()


def seen_by(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / "seen.ndjson").read_text().splitlines()
    found = []
    for line in lines:
        try:
            found.append(json.loads(line))
        except ValueError:  # cut short by a kill, or empty: its page was read again
            continue
    return found


def everything(token: str) -> dict[str, dict[str, Any]]:
    """Give every study as the API tells it now."""
    client, query, found = APIClient(), {"limit": 200}, {}
    client.credentials(HTTP_AUTHORIZATION=f"Token {token}")
    while True:
        page = json.loads(client.get("/api/v1/studies/", query).content)
        found |= {study["id"]: study for study in page["results"]}
        if not page["more"]:
            return found
        query["cursor"] = page["cursor"]


def polled(build: Build, folder: Path, count: int, pauses: tuple[float, float]) -> dict[str, Any]:
    """Let two writers write and one poller poll, kill them all at random, and say what the poller saw."""
    site, models = waiting_results(count)
    token, environment = token_at(site), build(DJANGO_SETTINGS_MODULE="screening.settings", **LEASE)
    python, place = sys.executable, folder / "poller"
    place.mkdir()
    with web(environment, folder) as url:
        poller = Program([python, "-m", "tests.races.polling", url, token, str(place)], environment, folder / "p.log")
        writers = [
            Program([python, "-m", "tests.races.writing", str(model.pk)], environment, folder / f"{model.slug}.log")
            for model in models
        ]
        programs, began = [poller, *writers], time.monotonic()
        try:
            for program in programs:
                program.start()
            strike(programs, pauses, 3000)
            seconds = time.monotonic() - began
            (place / "stop").touch()
            if not poller.alive():
                poller.start()
            assert poller.popen.wait(120) == 0, poller.log.read_text()[-3000:]
        finally:
            for program in programs:
                program.end()
    seen = seen_by(place)
    last: dict[str, dict[str, Any]] = {}
    for study in seen:
        if study["change_number"] >= last.get(study["id"], study)["change_number"]:
            last[study["id"]] = study
    now = everything(token)
    changed = {str(pk): number for pk, number in Study.objects.values_list("pk", "change_number")}
    results = {one["why"] + study["id"] for study in now.values() for i in study["images"] for one in i["results"]}
    told = {one["why"] + study["id"] for study in seen for i in study["images"] for one in i["results"]}
    return {
        "engine": connection.vendor,
        "results": count,
        "written": Screening.objects.filter(state="scored").count(),
        "seconds": round(seconds, 1),
        "seen": len(seen),
        "studies": len(last),
        "changes_missed": sum(last.get(key, {"change_number": -1})["change_number"] < changed[key] for key in changed),
        "results_missed": len(results - told),
        "final_state_differs": sum(last.get(key) != now[key] for key in now),
        "poller_killed": poller.deaths,
        "writers_killed": sum(writer.deaths for writer in writers),
    }


def test_a_poller_that_is_killed_and_goes_on_sees_every_change_and_the_final_state(
    child_environment: Build, tmp_path: Path
) -> None:
    found = polled(child_environment, tmp_path, 300, (0.3, 0.8))

    assert (found["written"], found["studies"]) == (300, 150)
    assert (found["changes_missed"], found["results_missed"], found["final_state_differs"]) == (0, 0, 0)
    assert found["poller_killed"] > 0


@pytest.mark.campaign
def test_a_poller_misses_none_of_five_thousand_results_while_it_and_two_writers_are_killed(
    child_environment: Build, tmp_path: Path
) -> None:
    found = polled(child_environment, tmp_path, 5000, (0.2, 1.5))

    say(figure="poller_by_changed_since", **found)
    assert (found["written"], found["studies"]) == (5000, 2500)
    assert (found["changes_missed"], found["results_missed"], found["final_state_differs"]) == (0, 0, 0)
    assert found["poller_killed"] >= 10
    assert found["writers_killed"] >= 2
