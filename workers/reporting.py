"""What workers log: exceptions without their messages, which may quote a row, a path or a header; and durations."""

import time
import traceback
from pathlib import Path

import structlog

log = structlog.get_logger(__name__)


def report(event: str, problem: BaseException, **fields: str | int) -> None:
    """Log what kind of exception it was and the way to it, and nothing that it says."""
    log.error(event, reason=type(problem).__name__, way=way_to(problem), **fields)


def way_to(problem: BaseException) -> str:
    """The calls that led to an exception, outermost first."""
    frames = traceback.extract_tb(problem.__traceback__)
    return " > ".join(f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames)


def milliseconds(started: float) -> float:
    """Milliseconds since a moment of `time.perf_counter`, to the microsecond."""
    return round((time.perf_counter() - started) * 1000, 3)
