"""Commit what a model said about a batch: all of it or nothing, and only for rows still held."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from django.db import transaction

from screening import leasing
from screening.audit.actor import Actor
from screening.audit.services import gathered
from screening.errors import LeaseLost
from screening.faultpoints import reach
from screening.flows.settle import judge_studies, settle_upload
from screening.leasing import Lease
from screening.results.models import ModelVersion, Screening, ScreeningState
from screening.results.services import flags_raised, thresholds_of
from screening.results.transitions import conclude
from screening.retrying import again_on_conflict
from screening.studies.changes import mark_changed
from screening.studies.models import Study
from screening.studies.values import ModelIdentity, ScreenOutcome

_UNUSED = ("image__notes", "image__facts", "image__timings")  # JSON, which takes longest to read
_STATES = {
    "scored": ScreeningState.SCORED,
    "inconclusive": ScreeningState.INCONCLUSIVE,
    "failed": ScreeningState.FAILED,
}


def record_outcomes(
    *,
    lease: Lease,
    model: ModelIdentity,
    outcomes: Mapping[UUID, ScreenOutcome],
    timings: Mapping[str, float],
    actor: Actor,
) -> int:
    """Store scores, flags and audit events, and move studies on. How many rows were written.

    Safe to call again after a redelivery: the second call finds the lease gone and changes
    nothing. Rows of the lease without an outcome stay leased.

    Raises:
        LeaseLost: no row is held any more; nothing was written.
    """
    uploads, written = _commit(lease, model, outcomes, timings, actor)
    for upload_id in uploads:
        settle_upload(upload_id)
    return written


@again_on_conflict
@transaction.atomic
def _commit(
    lease: Lease,
    model: ModelIdentity,
    outcomes: Mapping[UUID, ScreenOutcome],
    timings: Mapping[str, float],
    actor: Actor,
) -> tuple[set[UUID], int]:
    keys = leasing.held(Screening, lease).filter(pk__in=outcomes).values_list("study_id", flat=True)
    studies = list(Study.objects.select_for_update().filter(pk__in=set(keys)).order_by("pk"))
    held = leasing.held(Screening, lease).filter(pk__in=outcomes).select_related("image").defer(*_UNUSED)
    rows = list(held.select_for_update(of=("self",)).order_by("pk"))
    if not rows:
        raise LeaseLost("The lease on this batch ran out.")
    version = ModelVersion.objects.defer("card").get(pk=rows[0].model_version_id)  # a lease is of one lane
    thresholds = thresholds_of(site_ids={row.site_id for row in rows}, version=version)
    for row in rows:
        _fill(row, outcomes[row.pk], model, timings, thresholds[row.site_id])
    told = {row.study_id for row in rows if not row.trial}  # of a study that was only tried nothing is known anew
    with gathered():
        conclude([(row, _STATES[outcomes[row.pk].kind]) for row in rows], actor=actor)
        judge_studies([study for study in studies if study.pk in told], actor=actor, known=rows)
    mark_changed((row.site_id, row.study_id) for row in rows if not row.trial)
    reach("inference.recorded")
    return {row.upload_id for row in rows}, len(rows)


def _fill(
    row: Screening,
    outcome: ScreenOutcome,
    model: ModelIdentity,
    timings: Mapping[str, float],
    thresholds: Mapping[str, float],
) -> None:
    row.scores, row.code, row.distance = dict(outcome.scores), outcome.code, outcome.distance
    row.thresholds = dict(thresholds) if outcome.kind == "scored" else {}
    row.flagged = outcome.kind == "scored" and bool(flags_raised(outcome.scores, thresholds))
    row.model_sha256, row.runtime, row.precision = model.sha256, model.runtime, model.precision
    row.timings = dict(timings)


def held_ids(lease: Lease, rows: Sequence[Screening]) -> set[UUID]:
    """Which of these rows the lease still covers: asked before work that need not be done."""
    return set(leasing.held(Screening, lease).filter(pk__in=[row.pk for row in rows]).values_list("pk", flat=True))
