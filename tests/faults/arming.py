"""What a fault test changes inside a worker process, by variables of that process alone.

FAULT_NOOP=<seconds>   a model that does nothing takes the place of every bundle, and so long for a picture
FAULT_DECODER=true     decoding children die of what tests/faults/decoder.py knows as poison
FAULT_POISON=<sha256>  computing the plane of this hash kills the process
FAULT_FAR=true         models score drawn pictures, too, which lie far from all that they were trained with
FAULT_SLEEP=select     sleep by select: libfaketime spoils the call that time.sleep makes
FAULT_UNKEPT=true      leases are not renewed
FAULT_UNFENCED=true    leases no longer fence: a worker writes for every row that it once claimed
"""

import faulthandler
import hashlib
import math
import os
import select
import signal
import sys
import time
from dataclasses import replace
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from ml.explain.drawing import HeatMap
from ml.inference import NoopScorer, Outcome, Raw, Scorer
from screening import leasing
from screening.results import transitions
from workers import engine, explain, heartbeat, inference, keeper
from workers.decoding import pool


class ArmedScorer(NoopScorer):
    """A model that does nothing, slowly, and dies of one picture."""

    def score(self, planes: Any) -> list[Outcome]:
        poison = os.environ.get("FAULT_POISON")
        if poison and any(plane and hashlib.sha256(plane).hexdigest() == poison for plane in planes):
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(float(os.environ["FAULT_NOOP"]) * len(planes))
        return super().score(planes)


def arm() -> None:
    faulthandler.register(signal.SIGUSR1)  # where every thread is, for a test that waits in vain
    if os.environ.get("FAULT_SLEEP") == "select":
        time.sleep = lambda seconds: select.select([], [], [], seconds) and None
    if os.environ.get("FAULT_NOOP"):
        engine.load_scorer = _armed  # type: ignore[assignment]
        engine.EXPLAINERS._load = lambda _: None  # type: ignore[assignment, return-value]
        explain.draw = lambda *_, **__: HeatMap(b"raw", b"overlay", 0.5, "none", "none")
    if os.environ.get("FAULT_FAR") == "true":
        _score_what_is_far()
    if os.environ.get("FAULT_DECODER") == "true":
        pool.SERVER = "tests.faults.decoder"
    if os.environ.get("FAULT_UNKEPT") == "true":
        keeper._renew = lambda *_: None
        heartbeat.STUCK_SECONDS = math.inf  # type: ignore[misc] # frozen for long it is to go on, not to end itself
    if os.environ.get("FAULT_UNFENCED") == "true":
        _take_the_fence_away()


def _score_what_is_far() -> None:
    ours = Scorer._outcome

    def near(scorer: Scorer, raw: Raw, row: int) -> Outcome:
        return ours(scorer, replace(raw, distances=raw.distances * 0), row)

    Scorer._outcome = near  # type: ignore[method-assign]


def _armed(*_: Any) -> ArmedScorer:
    return ArmedScorer()


def _take_the_fence_away() -> None:
    claimed: dict[UUID, list[Any]] = {}
    claim = leasing.claim

    def claim_and_remember(waiting: Any, **options: Any) -> Any:
        lease, rows = claim(waiting, **options)
        claimed[lease.token] = [row.pk for row in rows]
        return lease, rows

    def ever_claimed(model: Any, lease: leasing.Lease) -> QuerySet[Any]:
        return model._default_manager.filter(pk__in=claimed.get(lease.token, []))

    record = inference.record_outcomes

    def record_and_say(**what: Any) -> int:
        written = record(**what)
        sys.stderr.write("wrote_unfenced\n")
        sys.stderr.flush()
        return written

    inference.record_outcomes = record_and_say
    leasing.claim = claim_and_remember
    leasing.held = ever_claimed
    transitions._check = lambda *_: None
