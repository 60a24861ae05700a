"""Measure everything once, and keep it for some seconds: who asks often cannot load the database."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Final

from django.db import connection
from django.utils import timezone

from ml.vocabulary import PIPELINE
from screening import VERSION
from screening.metrics import host, outcomes, queues
from screening.metrics.catalogue import Sample
from screening.people.health import what_is_missing
from screening.results.leases import SCRIPTED, rows_of_a_lease
from screening.results.models import ModelVersion

KEPT_SECONDS: Final = 10.0
PATIENCE: Final = 5.0  # for which a second asker waits for the measuring of the first


class TooSlow(Exception):
    """Another request is measuring, and has been for long."""


class Kept:
    """One answer of this process. Askers at the same time wait for one measuring."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answer: bytes | None = None
        self._until = 0.0

    def get(self, make: Callable[[], bytes]) -> bytes:
        """Give the answer, made anew if it is older than some seconds. A failure is kept for nobody.

        Raises:
            TooSlow: somebody else has been making it for longer than a scrape may take.
        """
        if not self._lock.acquire(timeout=PATIENCE):
            raise TooSlow
        try:
            if self._answer is None or time.monotonic() >= self._until:
                self._answer = make()
                self._until = time.monotonic() + KEPT_SECONDS
            return self._answer
        finally:
            self._lock.release()

    def forget(self) -> None:
        """Measure anew when asked next."""
        self._answer = None


def measure() -> Iterator[Sample]:
    """Every sample of the catalogue, from the database and the files of the installation as they are now.

    Raises:
        django.db.Error: the database did not answer, or is not migrated.
    """
    started, now = time.perf_counter(), timezone.now()
    # A sandbox is of no concern to whoever watches: what waits there, or is in quarantine, was made so.
    versions = list(ModelVersion.objects.exclude(slug=SCRIPTED).order_by().only("pk", "slug", "version", "active"))
    names = {version.pk: version.name for version in versions}
    active = {version.pk for version in versions if version.active}
    yield from queues.waiting(names, active, now)
    yield from queues.sendings(now)
    yield from queues.reads()
    yield from queues.leases()
    yield from queues.uploads()
    yield from outcomes.last_minute(names, active, now)
    yield Sample("screening_batch_limit_pictures", (), rows_of_a_lease())
    yield from outcomes.unsuccessful(names, now)
    yield from outcomes.quarantined(names, active)
    yield from outcomes.flagged(names, active, now)
    yield Sample("screening_ready", (), float(not what_is_missing()))
    yield from host.beats()
    yield from host.room()
    yield Sample("screening_build_info", (VERSION, PIPELINE, connection.vendor), 1.0)
    yield Sample("screening_measuring_seconds", (), time.perf_counter() - started)
