"""Models are asked, while they compute, what their cards know the answers to.

A graph whose memory was spoilt gives scores that look like any others. It is held against all of its card when it is
loaded (`ml.inference.load_scorer`), and against a piece of it before results are written, every few seconds.
"""

import os
import time
from collections import Counter
from typing import Final, NoReturn, Protocol

import structlog
from django.utils import timezone

from ml.inference import Identity
from screening.leasing import Lease
from workers.crew import stop_all
from workers.heartbeat import STUCK_STATUS
from workers.keeper import give_back_all

log = structlog.get_logger(__name__)

EVERY: Final = 5.0  # seconds: one plane of some hundred that are computed meanwhile
# TensorFlow's own exception is told by name: importing it here would import TensorFlow everywhere.
NO_MEMORY: Final = frozenset({"MemoryError", "ResourceExhaustedError"})


class Asked(Protocol):
    """What is asked of a model: `ml.inference.Scorer` is such."""

    identity: Identity

    def departs(self, turn: int | None = None) -> str: ...


class Agreement:
    """When each model of this process last gave the answers of its card. Whoever calls holds the device."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}
        self._turns: Counter[str] = Counter()
        self.agreed: dict[str, str] = {}  # by name of a model, when it last did

    def departs(self, scorer: Asked) -> str:
        """Ask a model for one answer that is known, another at each turn, if that was not done lately.

        Returns:
            How it departs; empty if it does not, as far as was asked.
        """
        model, now = scorer.identity.sha256, time.monotonic()
        if now - self._seconds.get(model, -EVERY) < EVERY:
            return ""
        self._turns[model] += 1
        try:
            told = scorer.departs(self._turns[model])
        except Exception as problem:  # noqa: BLE001 - a runtime raises what it likes
            kind = type(problem).__name__
            return "" if kind in NO_MEMORY else f"it cannot compute a reference plane ({kind})"
        if not told:
            self._seconds[model] = now
            self.agreed[scorer.identity.name] = timezone.now().isoformat()
        return told


AGREEMENT: Final = Agreement()


def end_if_it_departs(scorer: Asked, *, suspect: Lease | None = None) -> None:
    """End this process where a model no longer gives the answers of its card.

    Args:
        scorer: A model that has computed; the caller holds the device.
        suspect: The lease of a picture that was computed alone. It is not given back: a picture after which the model
            departs twice is quarantined.
    """
    told = AGREEMENT.departs(scorer)
    if told:
        end_departed(scorer.identity.name, told, suspect=suspect)


def end_departed(model: str, what: str, *, suspect: Lease | None = None) -> NoReturn:
    """End this process: nothing in its memory can be trusted. What it holds waits for another, and nothing counts."""
    log.critical(
        "model_departed",
        model=model,
        what=what,
        agreed=AGREEMENT.agreed,
        what_to_do="This worker ends; whoever started it starts another. Have people read what it wrote of each model "
        "since the time under `agreed`, and check the memory of this machine.",
    )
    try:
        stop_all()  # or they would take again what is given back
        give_back_all(but=suspect)
    finally:
        os._exit(STUCK_STATUS)
