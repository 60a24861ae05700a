"""Wait for a change at a site. Who waits holds no database connection, and who finds no place is answered at once.

A waiting request holds a thread of the web process, so only half of them may wait. One thread more looks for all
of them: one row for each site, twice a second, and only while somebody waits.
"""

import threading
import time
from collections import Counter
from enum import StrEnum
from typing import Final
from uuid import UUID

import structlog
from django.db import DatabaseError, connection

from screening.studies.models import SiteChange

THREADS: Final = 8  # of a web process, as workers/supervisor/gunicorn_conf.py has it; a test compares
MOST: Final = THREADS // 2
EVERY: Final = 0.5  # seconds between two looks
LONGEST: Final = 30  # seconds that a request may wait
AGAIN: Final = 5  # seconds after which to ask again where no place was left

log = structlog.get_logger(__name__)


class Waited(StrEnum):
    CHANGED = "changed"
    UNCHANGED = "unchanged"  # the time is over
    FULL = "full"  # nobody waited: all places are taken


class Watch:
    """The places of one process, and its one look at the database."""

    def __init__(self, most: int = MOST, every: float = EVERY) -> None:
        self._most = most
        self._every = every
        self._news = threading.Condition()
        self._awaited: Counter[UUID] = Counter()
        self._numbers: dict[UUID, int] = {}
        self._looking = False

    @property
    def waiting(self) -> int:
        return self._awaited.total()

    def wait(self, site_id: UUID, *, beyond: int, seconds: float) -> Waited:
        """Return once the site's change number is beyond a number, or the time is over."""
        with self._news:
            if self.waiting >= self._most:
                return Waited.FULL
            self._awaited[site_id] += 1
            try:
                self._look_on()
                _let_go_of_the_database()
                changed = self._news.wait_for(lambda: self._numbers.get(site_id, 0) > beyond, timeout=seconds)
            finally:
                self._awaited[site_id] -= 1
                if not self._awaited[site_id]:
                    del self._awaited[site_id]
                    self._numbers.pop(site_id, None)
        return Waited.CHANGED if changed else Waited.UNCHANGED

    def _look_on(self) -> None:
        if not self._looking:
            self._looking = True
            threading.Thread(target=self._look, name="site-changes", daemon=True).start()

    def _look(self) -> None:
        """Look until nobody waits. Holds the one connection that waiting costs a process."""
        try:
            while sites := self._sites():
                found = _numbers_of(sites)
                with self._news:
                    self._numbers |= {site: number for site, number in found.items() if site in self._awaited}
                    self._news.notify_all()
                time.sleep(self._every)
        finally:
            connection.close()

    def _sites(self) -> list[UUID]:
        with self._news:
            self._looking = bool(self._awaited)
            return list(self._awaited)


def _numbers_of(sites: list[UUID]) -> dict[UUID, int]:
    try:
        return dict(SiteChange.objects.filter(pk__in=sites).values_list("pk", "number"))
    except DatabaseError:  # who waits is answered when the time is over, and asks the database then
        log.warning("changes_not_read")
        connection.close()
        return {}


def _let_go_of_the_database() -> None:
    """Close the connection of this thread, which its next question opens again."""
    if not connection.in_atomic_block:  # a test's transaction would end with it
        connection.close()


WATCH: Final = Watch()
