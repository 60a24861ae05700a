"""The configured Celery application, the names of the calls, and the one way to make one.

Calls go out by name, so that screening/ never imports workers/ (and through it TensorFlow).
A message only means "there may be work": the database owns the jobs, and a call that is lost,
doubled or late costs nothing, since idle workers poll and the reconciler calls again.
"""

import os
import threading
import time
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import structlog
from celery import Celery
from django.conf import settings
from django.db import transaction
from kombu import Connection
from kombu.exceptions import OperationalError

log = structlog.get_logger(__name__)

BREAK_SECONDS: Final = 5.0  # after a failed publish, none is tried for so long
KEPT_SECONDS: Final = 5.0  # for which a connection is used again


class Call(StrEnum):
    """Everything a worker can be asked to do, by the name under which it is registered."""

    EXPAND_NEXT_ARCHIVE = "workers.archives.expand_next_archive"
    INGEST_NEXT_BATCH = "workers.ingest.ingest_next_batch"
    SCREEN_NEXT_BATCH = "workers.inference.screen_next_batch"
    EXPLAIN_NEXT_BATCH = "workers.explain.explain_next_batch"
    MAKE_DEEP = "workers.deep.make_deep_picture"
    CORRECT_PICTURE = "workers.correcting.correct_picture"
    MAKE_DOCUMENT = "workers.documents.making.make_document"


QUEUE_OF: Final = {
    Call.EXPAND_NEXT_ARCHIVE: "ingest",
    Call.INGEST_NEXT_BATCH: "ingest",
    Call.SCREEN_NEXT_BATCH: "inference",
    Call.EXPLAIN_NEXT_BATCH: "inference",
    Call.MAKE_DEEP: "ingest",  # where decoders are warm
    Call.CORRECT_PICTURE: "ingest",
    Call.MAKE_DOCUMENT: "ingest",
}


def broker_url(url: str) -> str:
    """Give a socket address the virtual host that kombu asks for."""
    return f"{url}?virtual_host=0" if url.startswith("redis+socket://") and "?" not in url else url


# Without Celery's own Django fixup: it checks the whole project, pages included, before a worker starts.
app = Celery("screening", set_as_current=True, fixups=[])
app.conf.update(
    broker_url=broker_url(settings.CONFIG.redis_url),
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_channel_error_retry=True,  # one that refuses, as on a full disk, is away: it ends no worker
    broker_transport_options={
        "socket_timeout": 5,
        "socket_connect_timeout": 2,
        "socket_keepalive": not settings.CONFIG.redis_url.startswith("redis+socket"),
        "health_check_interval": 15,
        "unacked_restore_interval": 2,
        "unacked_restore_throttle": 1,
    },
    task_acks_late=False,  # a call carries no job; losing one is harmless
    task_ignore_result=True,  # the database is the record, not a result backend
    task_store_eager_result=False,
    task_publish_retry=False,
    task_serializer="json",
    accept_content=["json"],
    worker_prefetch_multiplier=1,
    worker_hijack_root_logger=False,
    worker_send_task_events=False,
    timezone="UTC",
)


@dataclass(frozen=True, slots=True)
class _Link:
    """A connection to the broker, of this process, for one call at a time."""

    connection: Connection
    made: float
    process: int

    @property
    def fresh(self) -> bool:
        """Whether it may be used again. Not for long: a broker that came back empty has to be told its queues anew."""
        return self.process == os.getpid() and time.monotonic() - self.made < KEPT_SECONDS


class _Publisher:
    """Publish with half-second timeouts, and stop trying for a while after a failure.

    Making a connection takes ten times as long as a call over one that was made (6 ms of processor time, November
    2026), so those who call often keep theirs for a moment.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[_Link] = []
        self._broken_until = 0.0

    def publish(self, call: Call, kwargs: dict[str, str]) -> bool:
        started = time.monotonic()
        if started < self._broken_until:
            return False
        try:
            if not self._over_a_kept_link(call, kwargs, started):
                connection = app.connection_for_write(transport_options=_QUICK)
                self._send(_Link(connection, time.monotonic(), os.getpid()), call, kwargs)
        except FAILURES as error:
            with self._lock:
                self._broken_until = time.monotonic() + BREAK_SECONDS
            log.warning("call_not_published", call=str(call), reason=type(error).__name__)
            return False
        return True

    def _over_a_kept_link(self, call: Call, kwargs: dict[str, str], started: float) -> bool:
        """Whether it could be sent so. A link that broke since is no failure yet, unless it took the time of one."""
        link = self._kept()
        if link is None:
            return False
        try:
            self._send(link, call, kwargs)
        except FAILURES:
            if time.monotonic() - started >= PATIENCE:
                raise
            return False
        return True

    def _kept(self) -> _Link | None:
        with self._lock:
            old = [link for link in self._idle if not link.fresh]
            self._idle = [link for link in self._idle if link.fresh]
            link = self._idle.pop() if self._idle else None
        for each in old:
            _release(each)
        return link

    def _send(self, link: _Link, call: Call, kwargs: dict[str, str]) -> None:
        try:
            app.send_task(
                str(call), kwargs=kwargs, queue=QUEUE_OF[call], connection=link.connection, retry=False, expires=60
            )
        except BaseException:
            _release(link)
            raise
        with self._lock:
            self._idle.append(link)


def _release(link: _Link) -> None:
    if link.process == os.getpid():  # a forked process leaves its parent's alone
        link.connection.release()


PATIENCE: Final = 0.5  # seconds for each answer of the broker
FAILURES: Final = (OperationalError, OSError)
_QUICK: Final = {"socket_timeout": PATIENCE, "socket_connect_timeout": PATIENCE, "max_retries": 0}
_publisher = _Publisher()


def publish(call: Call, **kwargs: str) -> bool:
    """Make `call` now. Whether it reached the broker; never raises, never waits long."""
    return _publisher.publish(call, kwargs)


def call_after_commit(call: Call, **kwargs: str) -> None:
    """Make `call` once the surrounding transaction commits; a rollback makes none.

    Never raises and never waits longer than the publish timeout: the rows are committed,
    and the reconciler makes the call again while rows wait.
    """

    def publish() -> None:  # Django names a robust function when it logs what it raised, and a partial has no name
        _publisher.publish(call, kwargs)

    transaction.on_commit(publish, robust=True)
