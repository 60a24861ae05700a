"""Commit what a model said about a batch: all of it or nothing, and only for rows still held."""

from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from django.db import transaction

from screening import leasing
from screening.audit.actor import Actor
from screening.audit.services import gathered
from screening.errors import LeaseLost
from screening.faultpoints import reach
from screening.flows.judging import OF_PICTURE
from screening.flows.settle import judge_studies, settle_upload
from screening.leasing import Lease
from screening.prepared import Prepared
from screening.results.models import ModelVersion, Screening, ScreeningState
from screening.results.services import flags_raised, thresholds_of
from screening.results.transitions import OUTCOME, conclude
from screening.retrying import again_on_conflict
from screening.studies.changes import Unwritten, mark_changed
from screening.studies.models import Study
from screening.studies.values import ModelIdentity, ScreenOutcome

# Of a row and its picture: whose they are, and what judging asks. What a result fills is not read before.
_NEEDED: Final = (
    "upload_id",
    "study_id",
    "site_id",
    "model_version_id",
    "pipeline",
    "state",
    "trial",
    *OF_PICTURE,
    "image__superseded",
)
_VERSION: Final = Prepared(lambda pk: ModelVersion.objects.defer("card").filter(pk=pk).order_by())
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
    held = leasing.held(Screening, lease)
    studies = list(Study.objects.select_for_update().filter(pk__in=held.values("study_id")).order_by("pk"))
    locked = held.select_for_update(of=("self",)).select_related("image").only(*_NEEDED).order_by("pk")
    rows = [row for row in locked if row.pk in outcomes]
    if not rows:
        raise LeaseLost("The lease on this batch ran out.")
    (version,) = _VERSION(rows[0].model_version_id)  # a lease is of one lane
    thresholds = thresholds_of(site_ids={row.site_id for row in rows}, version=version)
    alike = dict(timings)  # of a batch: one object, which is put into JSON once
    for row in rows:
        _fill(row, outcomes[row.pk], model, alike, thresholds[row.site_id])
    unwritten = Unwritten()
    told = {row.study_id for row in rows if not row.trial}  # of a study that was only tried nothing is known anew
    with gathered():
        conclude([(row, _STATES[outcomes[row.pk].kind]) for row in rows], actor=actor, columns=OUTCOME)
        judged = [study for study in studies if study.pk in told]
        judge_studies(judged, actor=actor, known=rows, unwritten=unwritten)
    mark_changed(((row.site_id, row.study_id) for row in rows if not row.trial), unwritten)
    reach("inference.recorded")
    return {row.upload_id for row in rows}, len(rows)


def _fill(
    row: Screening,
    outcome: ScreenOutcome,
    model: ModelIdentity,
    timings: dict[str, float],
    thresholds: dict[str, float],
) -> None:
    row.scores, row.code, row.distance = dict(outcome.scores), outcome.code, outcome.distance
    row.thresholds = thresholds if outcome.kind == "scored" else {}
    row.flagged = outcome.kind == "scored" and bool(flags_raised(outcome.scores, thresholds))
    row.model_sha256, row.runtime, row.precision = model.sha256, model.runtime, model.precision
    row.timings = timings


def held_ids(lease: Lease, rows: Sequence[Screening]) -> set[UUID]:
    """Which of these rows the lease still covers: asked before work that need not be done."""
    return set(leasing.held(Screening, lease).filter(pk__in=[row.pk for row in rows]).values_list("pk", flat=True))
