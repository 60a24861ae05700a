"""The only module that changes Study.state.

receiving --> screening --> ready | incomplete --> reviewed
    ^             ^               |                   |
    +-------------+---------------+-------------------+   a late picture, another model
anything --> purged
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.utils import timezone

from screening.audit.actor import Actor
from screening.audit.models import ChainKind
from screening.audit.services import Draft, record
from screening.errors import IllegalTransition
from screening.outbox.announcing import announce_moves
from screening.outbox.models import EventKind
from screening.studies.changes import Unwritten
from screening.studies.models import Study, StudyState

_OPEN = frozenset({StudyState.RECEIVING, StudyState.SCREENING})
_SETTLED = frozenset({StudyState.READY, StudyState.INCOMPLETE})
_ANY = _OPEN | _SETTLED | {StudyState.REVIEWED, StudyState.PURGED}

MOVES: Mapping[StudyState, frozenset[StudyState]] = {
    StudyState.RECEIVING: _ANY,
    StudyState.SCREENING: _ANY,
    StudyState.READY: _ANY,
    StudyState.INCOMPLETE: _ANY,
    StudyState.REVIEWED: _ANY,
    StudyState.PURGED: frozenset(),
}


TOLD: Mapping[StudyState, EventKind] = {
    StudyState.READY: EventKind.STUDY_READY,
    StudyState.INCOMPLETE: EventKind.STUDY_READY,
    StudyState.REVIEWED: EventKind.STUDY_REVIEWED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyFate:
    """Where a study stands once its rows have been looked at."""

    to: StudyState
    flagged: bool
    not_assessed: bool


def move_studies(
    fates: Sequence[tuple[Study, StudyFate]], *, actor: Actor, unwritten: Unwritten | None = None
) -> list[UUID]:
    """Move locked studies and write an audit event for each that changed. Their identifiers are returned.

    Their rows are written here, or left in `unwritten` for `mark_changed`, in the same transaction.

    Raises:
        IllegalTransition: a purged study was to be moved; nothing is written.
    """
    changed = [(study, fate) for study, fate in fates if _differs(study, fate)]
    drafts = [_draft(study, fate) for study, fate in changed]
    arrived = _arrivals(changed)
    groups: dict[tuple[StudyFate, bool], list[UUID]] = defaultdict(list)
    for study, fate in changed:
        if fate.to not in MOVES[StudyState(study.state)]:
            raise IllegalTransition(f"A study that is {study.state} cannot become {fate.to}.")
        groups[fate, study.completed_at is None and fate.to in _SETTLED].append(study.pk)
    for (fate, completes), keys in groups.items():
        columns: dict[str, object] = {"state": fate.to, "flagged": fate.flagged, "not_assessed": fate.not_assessed}
        if completes:
            columns["completed_at"] = timezone.now()
        if unwritten is None:
            Study.objects.filter(pk__in=keys).update(**columns)
        else:
            unwritten.alike.append((columns, set(keys)))
    for study, fate in changed:
        study.state, study.flagged, study.not_assessed = fate.to, fate.flagged, fate.not_assessed
    record(actor, drafts)
    for to, studies in arrived.items():
        announce_moves(TOLD[to], studies, to)
    return [study.pk for study, _ in changed]


def _arrivals(changed: Sequence[tuple[Study, StudyFate]]) -> dict[StudyState, list[tuple[UUID, UUID]]]:
    """By state of which endpoints are told: the studies that come to it, as (site, study)."""
    arrived: dict[StudyState, list[tuple[UUID, UUID]]] = defaultdict(list)
    for study, fate in changed:
        if fate.to in TOLD and study.state != fate.to:
            arrived[fate.to].append((study.site_id, study.pk))
    return arrived


def _differs(study: Study, fate: StudyFate) -> bool:
    return (study.state, study.flagged, study.not_assessed) != (fate.to, fate.flagged, fate.not_assessed)


def _draft(study: Study, fate: StudyFate) -> Draft:
    detail = {
        "before": study.state,
        "revision": study.revision,
        "flagged": fate.flagged,
        "not_assessed": fate.not_assessed,
    }
    return Draft(ChainKind.STUDY, study.pk, study.site_id, f"study:{fate.to}", detail)
