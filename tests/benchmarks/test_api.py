"""How long fifty pollers wait for an answer, and what an export of a million rows costs the web process.

Through HTTP and the web process as it runs in the service (two processes, eight threads each). `load` is how many
processes wanted a core when the figure was taken: on a busy machine every figure is one of the machine.
"""

import http.client
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection, connections

from ml.vocabulary import DISCLAIMER_VERSION
from screening.results.models import Screening
from screening.studies.changes import mark_changed
from screening.studies.models import SiteChange, Study
from screening.users.models import ApiToken, Membership, Role, Scope, Site
from tests.benchmarks.measuring import peak_mebibytes, percentile, say
from tests.benchmarks.multiplying import multiplied
from tests.benchmarks.polling import Poller, at_once, each_second
from tests.benchmarks.test_lists import settle_tables
from tests.client.service import answers, free_port
from tests.workers.processes import Process, running, until

STUDIES = int(os.environ.get("BENCH_POLLED_STUDIES", "10000"))
ROWS = int(os.environ.get("BENCH_EXPORT_ROWS", "1000000"))
SEEDED = 6_000  # studies, before they are copied
POLLERS, SECONDS, ROUNDS = 50, 30, 20
pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(7200), pytest.mark.django_db(transaction=True)]


@pytest.fixture
def web(child_environment: Callable[..., dict[str, str]], tmp_path: Path) -> Iterator[tuple[str, Process]]:
    port = free_port()
    process = Process("web", child_environment(), tmp_path, config=replace(settings.CONFIG, port=port))
    with running(process.start()):
        until(lambda: answers(port), 120, f"no answer:\n{process.tail()}", every=0.1)
        yield f"http://127.0.0.1:{port}", process


def tokens(site: Site, count: int) -> list[str]:
    user = Membership.objects.filter(site=site, role=Role.ADMIN)[0].user
    whose = {"user": user, "site": site, "name": "a poller", "scopes": [Scope.READ]}
    expiry = timedelta(days=1)
    return [
        ApiToken.objects.create(**whose, disclaimer_version=DISCLAIMER_VERSION, expiry=expiry)[1] for _ in range(count)
    ]


def told(figure: str, pollers: Sequence[Poller], **about: object) -> None:
    """Say a figure of all answers since the last one."""
    took = [one for poller in pollers for one in poller.took]
    times = [milliseconds for _, milliseconds in took]
    unchanged = sum(status == 304 for status, _ in took)
    load = {"load": round(os.getloadavg()[0], 1), "engine": connection.vendor, "pollers": len(pollers)}
    more = {"p50": round(percentile(times, 50), 2), "unchanged": unchanged, **load, **about}
    say(figure, percentile(times, 95), "ms", len(times), **more)
    for poller in pollers:
        poller.took.clear()


def changes(site: Site, stop: threading.Event) -> None:
    """Let three studies change every half a second, as results come in."""
    studies = list(Study.objects.filter(site=site).values_list("pk", flat=True)[:300])
    try:
        while not stop.wait(0.5):
            mark_changed((site.pk, studies.pop()) for _ in range(3) if studies)
    finally:
        connections.close_all()


def test_how_long_fifty_pollers_wait_for_an_answer(web: tuple[str, Process]) -> None:
    call_command("seed_demo", "--studies", str(STUDIES))
    settle_tables()
    site, (url, _) = Site.objects.get(name="Demo"), web
    number = SiteChange.objects.get(site=site).number
    pollers = [Poller(url, token, {"changed_since": str(number)}) for token in tokens(site, POLLERS)]
    at_once(pollers, lambda poller, _: [poller.ask() for _ in range(5)])  # threads and connections are there now
    [poller.took.clear() for poller in pollers]

    for _ in range(200):
        pollers[0].ask()
    told("poll_unchanged_alone_p95_ms", pollers[:1], aim=15)
    each_second(pollers, SECONDS)
    assert {status for poller in pollers for status, _ in poller.took} == {304}
    told("poll_unchanged_50_p95_ms", pollers, aim=15)
    for _ in range(ROUNDS):
        at_once(pollers, lambda poller, _: poller.ask())
        time.sleep(0.3)
    told("poll_unchanged_50_at_the_same_moment_p95_ms", pollers, aim=100)
    stop = threading.Event()
    writer = threading.Thread(target=changes, args=(site, stop))
    writer.start()
    each_second(pollers, SECONDS)
    stop.set()
    writer.join()
    told("poll_news_50_p95_ms", pollers, aim=100)
    [poller.close() for poller in pollers]


def web_mebibytes(process: Process) -> float:
    """The most that any of the web processes ever held."""
    return max(peak_mebibytes(child.pid) for child in psutil.Process(process.pid).children())


@pytest.mark.parametrize("form", ["csv", "ndjson"])
def test_what_an_export_of_a_million_rows_costs_the_web_process(form: str, web: tuple[str, Process]) -> None:
    call_command("seed_demo", "--studies", str(SEEDED))
    multiplied(max(0, -(-ROWS // Screening.objects.count()) - 1))
    settle_tables()
    url, process = web
    [token] = tokens(Site.objects.get(name="Demo"), 1)
    before = web_mebibytes(process)
    first, size, lines = 0.0, 0, 0
    began = time.monotonic()
    with closing(http.client.HTTPConnection(urlsplit(url).netloc, timeout=600)) as called:
        called.request("GET", f"/api/v1/results.{form}", headers={"Authorization": f"Token {token}"})
        answer = called.getresponse()
        while piece := answer.read1(1 << 16):
            first = first or time.monotonic() - began
            size, lines = size + len(piece), lines + piece.count(b"\n")
    seconds = time.monotonic() - began

    more = {"rows_per_second": round(lines / seconds), "first_byte_s": round(first, 2), "megabytes": size // 10**6}
    load = {"load": round(os.getloadavg()[0], 1), "engine": connection.vendor}
    say(f"export_{form}_web_mb", web_mebibytes(process), "MB", lines, before_mb=round(before), aim=100, **more, **load)
    assert answer.status == 200
    assert lines >= ROWS
