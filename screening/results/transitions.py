"""The only module that changes Screening.state once the row exists.

waiting <-> leased --> scored | inconclusive | failed | quarantined
failed | quarantined --> waiting (retry);   waiting | leased --> cancelled --> waiting (another upload asks)
"""

from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from django.utils import timezone

from screening.audit.actor import Actor
from screening.audit.models import ChainKind
from screening.audit.services import Draft, record
from screening.errors import IllegalTransition
from screening.results.models import Screening, ScreeningState
from screening.results.services import flags_raised
from screening.upserting import write_columns

_OUTCOMES = frozenset(
    {
        ScreeningState.SCORED,
        ScreeningState.INCONCLUSIVE,
        ScreeningState.FAILED,
        ScreeningState.QUARANTINED,
        ScreeningState.CANCELLED,
    }
)
MOVES: Mapping[ScreeningState, frozenset[ScreeningState]] = {
    ScreeningState.WAITING: frozenset({ScreeningState.LEASED, ScreeningState.CANCELLED, ScreeningState.QUARANTINED}),
    ScreeningState.LEASED: _OUTCOMES | {ScreeningState.WAITING},
    ScreeningState.SCORED: frozenset(),
    ScreeningState.INCONCLUSIVE: frozenset(),
    ScreeningState.FAILED: frozenset({ScreeningState.WAITING}),
    ScreeningState.QUARANTINED: frozenset({ScreeningState.WAITING}),
    ScreeningState.CANCELLED: frozenset({ScreeningState.WAITING}),
}
OUTCOME: Final = (
    "state",
    "code",
    "scores",
    "thresholds",
    "flagged",
    "distance",
    "model_sha256",
    "runtime",
    "precision",
    "timings",
    "done_at",
    "lease_token",
    "lease_until",
    "computing",
)
COLUMNS: Final = (*OUTCOME, "alone", "deaths", "attempts", "rank", "upload")


def conclude(
    rows: Sequence[tuple[Screening, ScreeningState]], *, actor: Actor, columns: Sequence[str] = COLUMNS
) -> None:
    """Write the outcome of locked rows, their `columns` filled by the caller, with one audit event each.

    Raises:
        IllegalTransition: a row has an outcome already; nothing is written.
    """
    for row, to in rows:
        _check(row, to)
        row.state, row.done_at = to, timezone.now()
        row.lease_token, row.lease_until, row.computing = None, None, False
    write_columns([row for row, _ in rows], columns)
    record(actor, [outcome_draft(row) for row, _ in rows])


def requeue(rows: Sequence[Screening], *, upload_id: UUID, actor: Actor) -> None:
    """Put failed, quarantined or cancelled rows back among those that wait.

    Raises:
        IllegalTransition: a row holds a result; nothing is written.
    """
    for row in rows:
        _check(row, ScreeningState.WAITING)
    drafts = [
        Draft(
            ChainKind.STUDY,
            row.study_id,
            row.site_id,
            "screening:retried",
            {"screening": str(row.pk), "before": row.state},
        )
        for row in rows
    ]
    for row in rows:
        row.alone = row.state == ScreeningState.QUARANTINED
        row.state, row.code, row.done_at, row.deaths, row.attempts = ScreeningState.WAITING, "", None, 0, 0
        row.upload_id = upload_id
    write_columns(rows, COLUMNS)
    record(actor, drafts)


def put_back(rows: Sequence[Screening]) -> None:
    """Write rows that were reclaimed in memory as waiting. No audit event: nothing was decided."""
    for row in rows:
        row.state = ScreeningState.WAITING
    write_columns(rows, ["state", "lease_token", "lease_until", "computing", "alone", "deaths", "attempts", "rank"])


def hand_over(pairs: Sequence[tuple[Screening, UUID]]) -> None:
    """Make locked rows those of another upload that waits for them. No audit event: nothing was decided."""
    for row, upload_id in pairs:
        row.upload_id = upload_id
    write_columns([row for row, _ in pairs], ["upload"])


def reapply(rows: Sequence[Screening], *, thresholds: Mapping[str, float], actor: Actor) -> list[Screening]:
    """Hold locked rows with scores against other operating points; scores stay. Those that stood under others.

    One audit event for each study that such a row belongs to: its chain tells what applied before and since.
    """
    moved = [row for row in rows if row.state == ScreeningState.SCORED and row.thresholds != thresholds]
    drafts: dict[UUID, Draft] = {}
    for row in moved:
        before = row.thresholds
        row.thresholds = dict(thresholds)
        row.flagged = bool(flags_raised(row.scores, thresholds))
        detail = {"model": str(row.model_version_id), "before": before, "thresholds": row.thresholds, "rows": 0}
        draft = drafts.setdefault(
            row.study_id, Draft(ChainKind.STUDY, row.study_id, row.site_id, "study:reflagged", detail)
        )
        draft.detail["rows"] += 1
    write_columns(moved, ["thresholds", "flagged"])
    record(actor, list(drafts.values()))
    return moved


def outcome_draft(row: Screening) -> Draft:
    """The audit event of an outcome: everything needed to compute the decision again."""
    detail = {
        "screening": str(row.pk),
        "image": str(row.image_id),
        "model": str(row.model_version_id),
        "model_sha256": row.model_sha256,
        "pipeline": row.pipeline,
        "code": row.code,
        "scores": row.scores,
        "thresholds": row.thresholds,
        "flagged": row.flagged,
    } | ({"trial": True} if row.trial else {})
    return Draft(ChainKind.STUDY, row.study_id, row.site_id, f"screening:{row.state}", detail)


def _check(row: Screening, to: ScreeningState) -> None:
    if to not in MOVES[ScreeningState(row.state)]:
        raise IllegalTransition(f"A screening that is {row.state} cannot become {to}.")
