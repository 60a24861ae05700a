"""How many planes go to the device in one call: whoever is in a hurry waits for the end of the one that has begun."""

import math
from collections.abc import Sequence
from typing import Final

from workers.engine import Scores

TURN: Final = 0.25  # seconds that one call takes at the pace of the last, where LEAST planes do not take longer
LEAST: Final = 8  # planes: in calls of fewer most models are slower


class Pace:
    """What one plane took each model in its last full call, in seconds."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}

    def chunk(self, scorer: Scores) -> int:
        """Say how many planes of a batch to score in one call: the model's best, halved until they fit a turn.

        As few as ever are given to a model whose pace is not known yet.
        """
        size, each = scorer.batch_size, self._seconds.get(scorer.identity.sha256, math.inf)
        while size * each > TURN and size // 2 >= LEAST:
            size //= 2
        return size

    def note(self, scorer: Scores, planes: Sequence[object], seconds: float) -> None:
        """Remember what a call took. One of few planes tells little, since each call has its own cost."""
        if len(planes) >= min(LEAST, scorer.batch_size):
            self._seconds[scorer.identity.sha256] = seconds / len(planes)


PACE: Final = Pace()
