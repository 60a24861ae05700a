"""Inference: waiting screenings of one lane, across uploads, batch by batch until none is left."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Final
from uuid import UUID

import structlog
from django.conf import settings

from screening.audit.actor import Actor
from screening.errors import LeaseLost
from screening.faultpoints import reach
from screening.flows.scored import record_outcomes
from screening.leasing import Lease, begin
from screening.queue import Call, app
from screening.results.leases import claim_batch, lanes_with_work, release_batch, rows_of_a_lease
from screening.results.models import ModelVersion, Screening
from screening.store.errors import StoreAway
from screening.studies.values import ModelIdentity, ScreenOutcome
from workers.adapters import model_identity, screen_outcome
from workers.agreement import end_if_it_departs
from workers.crew import PROGRESS, Crew, Stop
from workers.device import DEVICE, READY
from workers.engine import ENGINE, ModelUnavailable, Scores
from workers.keeper import keeping
from workers.pace import PACE
from workers.planes import load_planes
from workers.reporting import milliseconds
from workers.scoring import score_carefully

log = structlog.get_logger(__name__)

INFERENCE: Final = Actor.service("inference")
URGENT_ROWS: Final = 16  # in one lease
MODEL_UNAVAILABLE: Final = "model_unavailable"


@app.task(name=str(Call.SCREEN_NEXT_BATCH))
def screen_next_batch(lane: str) -> None:
    """Screen what waits, this lane first. Safe to deliver twice or to die halfway."""
    TURNS.ask_for(UUID(lane))
    EXPRESS.call()
    CREW.call()


class Turns:
    """Whose turn it is: the lanes that have work, one batch each, those that were called for first."""

    def __init__(self) -> None:
        self._last: dict[UUID, float] = {}  # when each lane had its last turn

    def ask_for(self, lane: UUID) -> None:
        """Give a lane the next turn."""
        self._last[lane] = 0.0

    def order(self, lanes: Sequence[UUID]) -> list[UUID]:
        """The lanes, the one that has waited longest for a turn first."""
        return sorted(lanes, key=lambda lane: (self._last.get(lane, 0.0), str(lane)))

    def took(self, lane: UUID) -> None:
        """Note that a lane had its turn."""
        self._last[lane] = time.monotonic()


TURNS: Final = Turns()


def screen_urgent(stop: Stop) -> bool:
    """Screen some urgent rows, if there are any; all that one hand does, so that they meet no batch before them."""
    return _screen_in_turn(stop, urgent=True)


def screen_somewhere(stop: Stop) -> bool:
    """Screen urgent rows, or else one batch of others, of the lane whose turn it is. Whether there was any.

    What becomes urgent between the two looks is left to the next: in a batch of others it would wait for all of them.
    """
    return screen_urgent(stop) or _screen_in_turn(stop, urgent=False)


def _screen_in_turn(stop: Stop, *, urgent: bool) -> bool:
    for lane in TURNS.order(lanes_with_work(urgent=urgent)):
        TURNS.took(lane)
        if screen_batch(lane, stop, urgent=urgent):
            return True
    return False


def screen_batch(lane: UUID, stop: Stop, *, urgent: bool | None = None) -> bool:
    """Lease one batch of a lane and bring each row to an outcome. Whether there was any.

    Args:
        lane: Model version.
        stop: Set when the worker is asked to end.
        urgent: Which rows are taken: urgent ones, in small batches that have the device next; others; None for any.
    """
    most = rows_of_a_lease()
    lease, rows = claim_batch(model_version_id=lane, limit=min(URGENT_ROWS, most) if urgent else most, urgent=urgent)
    if not rows:
        return False
    reach("inference.claimed")
    with keeping(Screening, lease, (row.upload_id for row in rows)):
        try:
            _screen(lane, lease, rows, stop, hurried=bool(urgent))
        except LeaseLost:  # others took the batch over while this process was frozen or cut off
            log.warning("lease_lost", rows=len(rows))
        except StoreAway as away:  # nothing was computed: the rows wait as if they had never been taken
            release_batch(lease)
            log.warning("batch_waits_for_store", rows=len(rows), code=away.code)
            return False
    return True


def _screen(lane: UUID, lease: Lease, rows: list[Screening], stop: Stop, *, hurried: bool) -> None:
    try:
        scorer = ENGINE.get(lane)
    except ModelUnavailable:
        _refuse(lane, lease, rows)
        return
    started = time.perf_counter()
    planes = load_planes([row.image for row in rows], again=ENGINE.several)
    timings = {"load_ms": milliseconds(started), "batch": float(len(rows))}
    reach("inference.loaded")
    PROGRESS.note()
    if rows[0].alone:
        _alone(lease, scorer, rows, planes, timings, stop)
        return
    with _begun_before_the_device(lease, hurried=hurried):
        if stop.is_set():
            release_batch(lease)
            return
        outcomes, timings["model_ms"] = _compute(scorer, planes, let_pass=not hurried)
        end_if_it_departs(scorer)
    _record(lease, model_identity(scorer.identity), rows, outcomes, timings)


@contextmanager
def _begun_before_the_device(lease: Lease, *, hurried: bool) -> Iterator[None]:
    """Begin, then take the device, which so never waits for the database. One batch at a time stands ready so.

    One of urgent rows goes past it. Should this worker die meanwhile, the rows of either run alone once more than they
    need to; nothing counts against them.
    """
    with nullcontext() if hurried else READY:
        _begin(lease)
        DEVICE.acquire(hurried=hurried)
    try:
        yield
    finally:
        DEVICE.release()


def _alone(
    lease: Lease,
    scorer: Scores,
    rows: list[Screening],
    planes: list[bytes | None],
    timings: dict[str, float],
    stop: Stop,
) -> None:
    """Screen one suspect. A death counts against it once it begins, so nothing else computes until its end."""
    with DEVICE:
        if stop.is_set():
            release_batch(lease)
            return
        _begin(lease)
        outcomes, timings["model_ms"] = _compute(scorer, planes)
        end_if_it_departs(scorer, suspect=lease)
        _record(lease, model_identity(scorer.identity), rows, outcomes, timings)


def _begin(lease: Lease) -> None:
    if not begin(Screening, lease):
        raise LeaseLost("The lease on this batch ran out before it was computed.")
    reach("inference.begun")
    PROGRESS.note()


def _compute(
    scorer: Scores, planes: list[bytes | None], *, let_pass: bool = False
) -> tuple[list[ScreenOutcome], float]:
    """Score planes on the device that is held; `let_pass` lets urgent rows go between two chunks."""
    PROGRESS.note()
    outcomes: list[ScreenOutcome] = []
    spent = 0.0
    while len(outcomes) < len(planes):
        if outcomes and let_pass:
            DEVICE.let_pass()
            PROGRESS.note()
        size = PACE.chunk(scorer) if let_pass else scorer.batch_size
        chunk = planes[len(outcomes) : len(outcomes) + size]
        started = time.perf_counter()
        outcomes += map(screen_outcome, score_carefully(scorer, chunk))
        took = time.perf_counter() - started
        PACE.note(scorer, chunk, took)
        spent += took
        PROGRESS.note()
    reach("inference.scored")
    PROGRESS.note()
    return outcomes, round(spent * 1000, 3)


def _refuse(lane: UUID, lease: Lease, rows: Sequence[Screening]) -> None:
    """Say of every row that its model cannot be had: shown as not assessed, and open to a retry."""
    version = ModelVersion.objects.get(pk=lane)
    identity = ModelIdentity(name=version.name, sha256=version.sha256, runtime="", precision="")
    failed = ScreenOutcome(kind="failed", code=MODEL_UNAVAILABLE)
    _record(lease, identity, rows, [failed] * len(rows), {})


def _record(
    lease: Lease,
    identity: ModelIdentity,
    rows: Sequence[Screening],
    outcomes: Sequence[ScreenOutcome],
    timings: dict[str, float],
) -> None:
    by_row = dict(zip((row.pk for row in rows), outcomes, strict=True))
    started = time.perf_counter()
    written = record_outcomes(lease=lease, model=identity, outcomes=by_row, timings=timings, actor=INFERENCE)
    reach("inference.committed")
    if written < len(rows):
        log.warning("lease_lost", rows=len(rows) - written)
    spent = {name: timings[name] for name in ("load_ms", "model_ms") if name in timings}
    log.info(
        "batch_done", lane="screening", model=identity.name, size=written, **spent, commit_ms=milliseconds(started)
    )


CREW: Final = Crew("inference", screen_somewhere, poll=settings.CONFIG.poll_seconds)
EXPRESS: Final = Crew("inference-urgent", screen_urgent, poll=settings.CONFIG.poll_seconds)
