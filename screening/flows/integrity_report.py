"""What the checks found, in lines for a terminal. No line holds more than identifiers of our own."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from screening.flows.integrity import CHECKS, Violation

SHOWN: Final = 20


def report(found: Sequence[Violation]) -> Iterator[str]:
    """Give each check with its count, and the first of what was found."""
    counts = Counter(violation.check for violation in found)
    for name in CHECKS:
        yield f"{name:10} {counts[name] or 'ok'}"
    for violation in found[:SHOWN]:
        yield f"  {line(violation)}"


def line(violation: Violation) -> str:
    return f"{violation.check}: {violation.subject}: {violation.what}"
