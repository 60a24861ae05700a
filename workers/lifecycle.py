"""Start the hands of a worker with it, and end them with it: nothing is claimed after SIGTERM."""

import os
import signal
import sys
import threading
import time
from typing import Any, Final

import structlog
from celery.signals import worker_init, worker_shutdown, worker_shutting_down

from screening.settled import settle
from screening.store.objects import objects
from workers import archives, catalogue, explain, heartbeat, inference, ingest, warming
from workers.crew import Crew
from workers.decoders import POOL
from workers.documents import making
from workers.keeper import give_back_all
from workers.orphans import sweep_copies
from workers.release import end_when_upgraded, refuse_other_release
from workers.reporting import report

log = structlog.get_logger(__name__)

DEFAULT_HANDS: Final = 2
GENTLE_SECONDS: Final = 1.5  # to finish what is being decoded or computed
LAST_SECONDS: Final = 3.5  # more, once decoders were ended; the supervisor kills after 6.5 in all
FAREWELL_SECONDS: Final = 0.5  # for what Celery says when its consumer is awake
CREWS: Final[dict[str, tuple[Crew, ...]]] = {
    "ingest": (ingest.CREW, ingest.EXPRESS, archives.CREW, catalogue.CREW, making.CREW),
    "inference": (inference.CREW, inference.EXPRESS, explain.CREW),
}
# One hand is enough: these wait for each other and let others go first, or have little to do, as the urgent have.
ALONE: Final = (explain.CREW, catalogue.CREW, making.CREW, ingest.EXPRESS, inference.EXPRESS)
COPIES: Final = Crew("copies", lambda _: bool(sweep_copies()), poll=60.0)  # of what a store holds, on this machine
_running: list[Crew] = []
_ending: Final = threading.Event()


def connect() -> None:
    """Tie the hands to the signals of the worker process."""
    worker_init.connect(_on_init, weak=False)
    worker_shutting_down.connect(_on_shutting_down, weak=False)
    worker_shutdown.connect(_on_shutdown, weak=False)


def start(queues: list[str], hands: int) -> None:
    """Start the hands for these queues and the heartbeat."""
    settle()
    for queue in queues:
        for crew in CREWS.get(queue, ()):
            crew.start(1 if crew in ALONE else hands)
            _running.append(crew)
    if "inference" in queues:
        warming.start(_ending)
    if objects() is not None:
        COPIES.start(1)
        _running.append(COPIES)
    heartbeat.start()
    log.info("hands_started", queues=queues, hands=hands)


def stop() -> bool:
    """Stop all hands, and give back what those hold that do not end in time. Whether all ended."""
    _ending.set()
    for crew in _running:
        crew.stop()
    ended = _joined(GENTLE_SECONDS)
    POOL.close()  # a decoder in the middle of a large file ends, and its file goes back uncounted
    if ended or _joined(LAST_SECONDS):
        return True
    log.warning("hands_left_behind", given_back=give_back_all())
    return False


def _joined(seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    return not [crew for crew in _running if not crew.join(max(0.0, deadline - time.monotonic()))]


def refuse_unsafe_start(pool: str, accepted: list[str]) -> None:
    """End the process if it was started in a way that hangs or trusts the broker too far.

    Celery logs and swallows what receivers of its signals raise, except SystemExit.
    """
    problems = [
        (
            "tensorflow" in sys.modules,
            "TensorFlow was imported before the worker started. Import it inside ml.models only.",
        ),
        (
            "thread" not in pool.lower(),
            "Start the worker with --pool=threads: other pools may start no decoding children.",
        ),
        (accepted != ["json"], "Only JSON may be accepted from the broker: pickle runs whatever it is sent."),
    ]
    for is_wrong, what in problems:
        if is_wrong:
            raise SystemExit(what)


def _on_init(sender: Any, **_: Any) -> None:
    pool = sender.pool_cls
    refuse_unsafe_start(
        pool if isinstance(pool, str) else f"{pool.__module__}.{pool.__name__}", list(sender.app.conf.accept_content)
    )
    refuse_other_release()
    end_when_upgraded(_ending)
    # The hands begin before Celery sets its own handlers, which call the same by `worker_shutting_down`.
    signal.signal(signal.SIGTERM, lambda *_: _on_shutting_down())
    start(sorted(sender.app.amqp.queues.consume_from), int(sender.concurrency or DEFAULT_HANDS))


def _on_shutting_down(**_: Any) -> None:
    # Runs inside a signal handler: only flags are set here. A consumer that waits for its broker may
    # not notice the end for long; with the hands ended there is nothing to wait for.
    for crew in _running:
        crew.stop()
    threading.Thread(target=_end_soon, name="end", daemon=True).start()


def _end_soon() -> None:
    try:
        stop()
    except Exception as problem:  # noqa: BLE001 - the process ends all the same; leases run out by themselves
        report("end_not_clean", problem)
    threading.Event().wait(FAREWELL_SECONDS)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _on_shutdown(**_: Any) -> None:
    stop()
