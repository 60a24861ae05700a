"""Hold results that are there against the operating points of now: somebody asks for it, it is never a side effect."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from uuid import UUID

from screening.audit.actor import Actor
from screening.flows.settle import judge_studies
from screening.results.models import Screening, ScreeningState
from screening.results.transitions import reapply
from screening.studies.changes import mark_changed
from screening.studies.models import Study, StudyState


@dataclass(frozen=True, slots=True)
class Reflagged:
    """What holding some studies against other operating points changed."""

    studies: int
    newly_flagged: int
    no_longer_flagged: int


def reflag(
    *, study_ids: Collection[UUID], version_id: UUID, thresholds: Mapping[str, float], actor: Actor
) -> Reflagged:
    """Apply operating points to every score of a model version in these studies, in the caller's transaction.

    Scores stay, flags and the states of studies follow: what is newly flagged is due again, also where a reader had
    answered. Safe to call again: rows that stand under these points already are left as they are.
    """
    studies = list(
        Study.objects.select_for_update().filter(pk__in=study_ids).exclude(state=StudyState.PURGED).order_by("pk")
    )
    rows = list(
        Screening.objects.select_for_update(of=("self",))
        .filter(study__in=studies, model_version_id=version_id, state=ScreeningState.SCORED)
        .order_by("pk")
    )
    touched = {row.study_id for row in reapply(rows, thresholds=thresholds, actor=actor)}
    before = {study.pk: study.flagged for study in studies if study.pk in touched}
    judged = [study for study in studies if study.pk in touched]
    judge_studies(judged, actor=actor)
    mark_changed((study.site_id, study.pk) for study in judged)
    return Reflagged(
        studies=len(studies),
        newly_flagged=sum(study.flagged and not before[study.pk] for study in judged),
        no_longer_flagged=sum(before[study.pk] and not study.flagged for study in judged),
    )
