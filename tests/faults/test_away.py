"""The broker is away for minutes while people go on sending: nobody is turned away, and the work goes on by polling.

FAULT_MINUTES=10 is the whole of it. The rate without a broker is told beside that of the same service in the same
run with one.
"""

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest

from chest_client import Client, ClientError, Patience
from screening.uploads.models import Upload
from tests.faults.service import Service, counts, finished, noop_model, radiographs, say, service_of
from tests.faults.web import Web
from tests.workers.processes import until

MINUTES = float(os.environ.get("FAULT_MINUTES", "10"))
ROUND = 100  # pictures of one upload
FRESH = count()  # every upload brings other pictures
Build = Callable[..., dict[str, str]]
pytestmark = [pytest.mark.campaign, pytest.mark.django_db(transaction=True), pytest.mark.timeout(7200)]


@dataclass(slots=True)
class Sending:
    """What became of the uploads of one period."""

    uploads: list[Upload]
    failed: int
    seconds: float

    @property
    def rate(self) -> float:
        return len(self.uploads) * ROUND / self.seconds


def rounds(web: Web, service: Service, folder: Path, seconds: float) -> Sending:
    """Send one upload after another, each tried once, for so long; then wait for what is not done yet."""
    told, started = Sending([], 0, 0.0), time.monotonic()
    while time.monotonic() - started < seconds:
        first = next(FRESH) * ROUND
        pictures = folder / str(first)
        pictures.mkdir(parents=True)
        for number, content in enumerate(radiographs(ROUND, first)):
            (pictures / f"{number:03}.dcm").write_bytes(content)
        try:
            with Client(web.url, web.token, patience=Patience(tries=1)) as client:
                told.uploads.append(Upload.objects.get(pk=client.send_folder(pictures, name="round").id))
        except ClientError:
            told.failed += 1
    for upload in told.uploads:
        until(lambda upload=upload: finished(upload), 600, f"not finished:\n{service.tails()}", every=0.2)
    told.seconds = time.monotonic() - started
    return told


def test_without_a_broker_nobody_is_turned_away_and_the_work_goes_on(child_environment: Build, tmp_path: Path) -> None:
    noop_model()
    with service_of(child_environment, tmp_path, FAULT_NOOP="0.001", BATCH_SIZE="32", POLL_SECONDS="2") as service:
        web = Web(child_environment(REDIS_URL=service.broker.url), tmp_path / "web").start()
        service.processes.append(web.process)
        service.start()
        rounds(web, service, tmp_path / "warm", 1)
        beside = rounds(web, service, tmp_path / "with", 60 * min(MINUTES, 3.0))
        service.broker.stop(signal.SIGKILL)
        alone = rounds(web, service, tmp_path / "without", 60 * MINUTES)
        service.broker.start()

    ratio = round(alone.rate / beside.rate, 2)
    say(figure="broker_away_failed_uploads", value=alone.failed, unit="uploads", n=len(alone.uploads), minutes=MINUTES)
    say(figure="broker_away_ratio", value=ratio, unit="of the rate with a broker", n=len(alone.uploads) * ROUND)
    assert alone.failed == 0
    assert ratio >= 0.5
    assert counts(alone.uploads[-1], ROUND)["violations"] == {}
