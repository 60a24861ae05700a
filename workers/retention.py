"""The reconciler's part in deleting what is too old: a step a round while there is something, else now and then."""

import time
from typing import Final

from screening.housekeeping.retention import purge_next

REST: Final = 600.0  # seconds before it is looked again, once nothing was found


class Retention:
    """One process's turn. Two at once do no harm: what one deleted the other does not find."""

    def __init__(self) -> None:
        self._rests_until = 0.0

    def __call__(self) -> int:
        """Do one step, unless nothing was found lately. How much was deleted."""
        if time.monotonic() < self._rests_until:
            return 0
        gone = purge_next()
        if not gone:
            self._rests_until = time.monotonic() + REST
        return gone


RETENTION: Final = Retention()
