"""How long the rows of a dead worker wait until somebody claims them again, with the settings of an installation."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from screening.leasing import Leased, rows_of
from screening.results.models import Screening
from screening.uploads.models import Item
from tests.benchmarks.measuring import percentile
from tests.faults.service import Service, noop_model, say, send_radiographs, service_of, wait_until_finished
from tests.workers.processes import Process, until

KILLS = int(os.environ.get("FAULT_KILLS", "20"))
FILES = 32  # sent before each kill
pytestmark = [pytest.mark.campaign, pytest.mark.django_db(transaction=True), pytest.mark.timeout(3600)]


def seconds_to_claim_again(process: Process, model: type[Leased], others: Service) -> float:
    """Kill a worker that computes, start another, and wait until its rows are in new hands or done."""
    upload = send_radiographs(FILES)
    begun = rows_of(model).filter(computing=True)
    until(begun.exists, 120, f"nothing is computed:\n{others.tails()}", every=0.005)
    process.kill()
    left = dict(rows_of(model).exclude(lease_token=None).values_list("pk", "lease_token"))
    process.start()

    def taken_over() -> bool:
        held = dict(rows_of(model).filter(pk__in=left).values_list("pk", "lease_token"))
        states = dict(rows_of(model).filter(pk__in=left).values_list("pk", "state"))
        waiting = {"waiting", "received"}
        return all(held[key] != token and (held[key] or states[key] not in waiting) for key, token in left.items())

    took = until(taken_over, 120, f"not claimed again:\n{others.tails()}", every=0.05)
    wait_until_finished(others, upload, 600)
    return took


@pytest.mark.parametrize(("lease", "every", "most"), [("15", "10", 30.0), ("4", "2", 10.0)])
def test_the_rows_of_a_dead_worker_are_claimed_again_within_the_promise(
    child_environment: Callable[..., dict[str, str]], tmp_path: Path, lease: str, every: str, most: float
) -> None:
    noop_model()
    settings = {"LEASE_SECONDS": lease, "TEST_EVERY": every, "POLL_SECONDS": "2", "BATCH_SIZE": "16"}
    with service_of(child_environment, tmp_path, FAULT_NOOP="0.1", TEST_HANDS="1", **settings) as service:
        service.start()
        took = [seconds_to_claim_again(service.inference, Screening, service) for _ in range(KILLS // 2)]
        took += [seconds_to_claim_again(service.ingest, Item, service) for _ in range(KILLS - len(took))]

    p95 = percentile(took, 95)
    say(figure="recovery_p95_s", value=round(p95, 2), unit="s", n=len(took), lease=lease, reconcile=every)
    assert p95 <= most
