"""Models are asked, while they compute, what their cards know the answers to.

A graph whose memory was spoilt gives scores that look like any others. It is held against all of its card when it is
loaded (`ml.inference.load_scorer`), and against a piece of it before results are written, every few seconds.
"""

import os
import time
from datetime import datetime
from typing import Final

import structlog
from django.utils import timezone

from workers.engine import Scores
from workers.heartbeat import STUCK_STATUS
from workers.keeper import give_back_all

log = structlog.get_logger(__name__)

EVERY: Final = 5.0  # seconds: one plane of some hundred that are computed meanwhile


class Agreement:
    """When each model of this process last gave the answers of its card."""

    def __init__(self) -> None:
        self._agreed: dict[str, tuple[float, datetime]] = {}
        self._turn = 0

    def departs(self, scorer: Scores) -> str:
        """Ask a model for one answer that is known, if that was not done lately. Whoever calls holds the device.

        Returns:
            How it departs; empty if it does not, as far as was asked.
        """
        name, now = scorer.identity.sha256, time.monotonic()
        known = self._agreed.get(name)
        if known is not None and now - known[0] < EVERY:
            return ""
        self._turn += 1
        told = scorer.departs(self._turn)
        if not told:
            self._agreed[name] = now, timezone.now()
        return told

    def agreed(self, scorer: Scores) -> str:
        """When a model last gave the answer of its card; empty if it never did since it was loaded."""
        known = self._agreed.get(scorer.identity.sha256)
        return known[1].isoformat() if known else ""


AGREEMENT: Final = Agreement()


def end_if_it_departs(scorer: Scores) -> None:
    """End this process where a model no longer gives the answers of its card; what is leased waits for another.

    Nothing else in its memory can be trusted either.
    """
    told = AGREEMENT.departs(scorer)
    if not told:
        return
    log.critical(
        "model_departed",
        model=scorer.identity.name,
        what=told,
        agreed=AGREEMENT.agreed(scorer),
        what_to_do="This worker ends; whoever started it starts another. Have people read what it wrote of this model "
        "since `agreed`, if anything, and check the memory of this machine.",
    )
    try:
        give_back_all()
    finally:
        os._exit(STUCK_STATUS)
