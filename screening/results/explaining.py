"""The only module that changes Explanation.state once the row exists.

waiting <-> leased --> drawn | failed;   drawn | failed --> waiting (asked for again)
"""

from collections.abc import Mapping, Sequence

from django.utils import timezone

from screening.errors import IllegalTransition
from screening.results.models import Explanation, ExplanationState
from screening.upserting import write_columns

_FREE = frozenset({ExplanationState.WAITING})
MOVES: Mapping[ExplanationState, frozenset[ExplanationState]] = {
    ExplanationState.WAITING: frozenset({ExplanationState.LEASED}),
    ExplanationState.LEASED: frozenset({ExplanationState.DRAWN, ExplanationState.FAILED}) | _FREE,
    ExplanationState.DRAWN: _FREE,
    ExplanationState.FAILED: _FREE,
}
COLUMNS = (
    *("state", "code", "key", "method", "field", "outside", "altered", "asked_by", "done_at", "rank"),
    *("lease_token", "lease_until", "computing", "alone", "deaths", "attempts"),
)


def move_explanations(rows: Sequence[tuple[Explanation, ExplanationState]]) -> None:
    """Write the new state of locked rows, their other columns filled by the caller. No audit event: nothing is decided.

    Raises:
        IllegalTransition: a row cannot go there; nothing is written.
    """
    for row, to in rows:
        if to not in MOVES[ExplanationState(row.state)]:
            raise IllegalTransition(f"A heat map that is {row.state} cannot become {to}.")
        row.state = to
        row.done_at = None if to == ExplanationState.WAITING else timezone.now()
        row.lease_token, row.lease_until, row.computing = None, None, False
    write_columns([row for row, _ in rows], COLUMNS)
