"""What servers that batch are given: the graph by the way that the service chose, and to LitServe its reader.

Read by interpreters of another environment (requirements/against.txt), which know of no Django settings.
"""

import os
from pathlib import Path

from ml.images.plain import read_plain
from ml.images.plane import make_plane
from ml.inference import Outcome, Scorer, load_scorer
from ml.models.choosing import Choice
from ml.models.runtime import Way

PATIENCE = 300  # seconds for one answer


def batch_size() -> int:
    return int(os.environ["AGAINST_BATCH"])


def workers() -> int:
    """Processes that hold the model."""
    return int(os.environ["AGAINST_WORKERS"])


def loaded() -> Scorer:
    runtime, _, precision = os.environ["AGAINST_WAY"].partition(" ")
    way = Way(runtime, precision)
    return load_scorer(Path(os.environ["AGAINST_BUNDLE"]), lambda _: Choice(way, batch_size()))


def plane_of(file: bytes) -> bytes:
    return make_plane(read_plain(file).gray).tobytes()


def told(outcome: Outcome) -> dict[str, object]:
    return {"outcome": outcome.kind, "scores": outcome.scores}
