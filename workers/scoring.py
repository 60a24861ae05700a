"""Score a batch so that one bad picture, or too large a batch, costs only itself."""

from typing import Final

import structlog

from ml.inference import Outcome
from workers.agreement import NO_MEMORY
from workers.engine import Scores

log = structlog.get_logger(__name__)

OUT_OF_MEMORY: Final = "out_of_memory"
MODEL_ERROR: Final = "model_error"


def score_carefully(scorer: Scores, planes: list[bytes | None]) -> list[Outcome]:
    """Score planes, halving the batch when memory runs out, and one by one when it fails otherwise.

    Returns:
        One outcome per plane, in the same order; a plane that fails alone has kind "failed" and the
        code `out_of_memory` or `model_error`.
    """
    try:
        return scorer.score(planes)
    except Exception as problem:  # noqa: BLE001 - a runtime raises what it likes; each kind is handled below
        no_memory = type(problem).__name__ in NO_MEMORY
        log.warning("batch_failed", size=len(planes), reason=type(problem).__name__)
        if len(planes) == 1:
            return [Outcome("failed", code=OUT_OF_MEMORY if no_memory else MODEL_ERROR)]
        size = (len(planes) + 1) // 2 if no_memory else 1
    outcomes: list[Outcome] = []
    for start in range(0, len(planes), size):
        outcomes += score_carefully(scorer, planes[start : start + size])
    return outcomes
