"""Twenty thousand drawn requests against the running service, web process and broker, with tokens of every scope."""

import json
import os
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import requests
import schemathesis
from django.conf import settings

from screening.config import broker_socket
from tests.client.service import answers, free_port, run, variables
from tests.contract.cases import Campaign
from tests.faults.service import say
from tests.workers.processes import Process, running, until
from workers.supervisor.valkey import EmbeddedValkey

CASES = int(os.environ.get("CONTRACT_CASES", "20000"))
SEED = int(os.environ.get("CONTRACT_SEED", "1"))  # other seeds draw other cases: parts of one campaign
DELETING = {
    "uploads_purge": "uploads",
    "uploads_cancel": "uploads",
    "studies_purge": "studies",
    "webhooks_remove": "webhooks",
}
pytestmark = [pytest.mark.campaign, pytest.mark.timeout(7200)]


@dataclass(frozen=True)
class Seeded:
    url: str
    told: dict
    web: Process

    def known(self, operation: str) -> dict[str, str]:
        """Identifiers of what is there; what deletes gets what was made to be deleted."""
        found = dict(self.told["known"])
        if operation.endswith(("receipt", "retry", "csv", "screen_again")):
            found["upload_id"] = self.told["done"]
        if operation in DELETING:
            doomed = random.choice(self.told[DELETING[operation]])
            found |= {"upload_id": doomed, "study_id": doomed, "webhook_id": doomed}
        return found


@contextmanager
def service() -> Iterator[Seeded]:
    state, port = Path(tempfile.mkdtemp(prefix="s-")), free_port()
    environment = variables(state, port) | {"DJANGO_SETTINGS_MODULE": "screening.settings"}
    broker_socket(state).parent.mkdir(parents=True, exist_ok=True)
    broker = EmbeddedValkey(state / "valkey", broker_socket(state), environment=environment)
    web = Process("web", environment, state, config=replace(settings.CONFIG, port=port))
    try:
        run(environment, "manage.py", "migrate", "--verbosity", "0")
        told = json.loads(run(environment, "-m", "tests.contract.seed"))
        broker.start()
        with running(web.start()):
            until(lambda: answers(port), 120, f"no answer:\n{web.tail()}", every=0.1)
            yield Seeded(f"http://127.0.0.1:{port}", told, web)
    finally:
        broker.stop()
        shutil.rmtree(state, ignore_errors=True)


def progress(capsys: pytest.CaptureFixture[str]) -> Callable[[Campaign, str], None]:
    """Say after every operation how far a campaign is, also where pytest keeps what tests write."""
    began = time.monotonic()

    def told(campaign: Campaign, label: str) -> None:
        with capsys.disabled():
            seconds, load = time.monotonic() - began, os.getloadavg()[0]
            say(done=campaign.cases, of=CASES, seconds=round(seconds), load=round(load, 1), operation=label)

    return told


def test_twenty_thousand_drawn_requests_meet_no_error_of_ours_and_no_answer_that_is_not_announced(capsys):
    with service() as seeded:
        schema = schemathesis.openapi.from_url(f"{seeded.url}/api/v1/schema/?format=json")
        callers = seeded.told["callers"]
        campaign = Campaign(schema, callers, seeded.known, told=progress(capsys))
        started = time.monotonic()
        campaign.run(CASES, start=SEED)
        seconds = time.monotonic() - started
        log = seeded.web.log.read_text(errors="replace")
        headers = {"Authorization": f"Token {callers['all'][0]}"}
        kept = [
            requests.get(f"{seeded.url}/api/v1/{kind}/{seeded.told['kept'][one]}/", headers=headers, timeout=30)
            for kind, one in (("studies", "study"), ("uploads", "upload"))
        ]

    say(
        figure="drawn_requests",
        value=campaign.cases,
        unit="cases",
        seed=SEED,
        load=round(os.getloadavg()[0], 1),
        seconds=round(seconds),
        statuses={str(status): count for status, count in sorted(campaign.statuses.items())},
        callers=dict(campaign.by_caller),
        operations=len(campaign.by_operation),
        failures=len(campaign.failures),
    )
    assert campaign.failures == [], "\n\n".join(sorted(set(campaign.failures))[:20])
    assert campaign.cases >= CASES
    assert "Traceback" not in log
    assert [answer.status_code for answer in kept] == [200, 200]
