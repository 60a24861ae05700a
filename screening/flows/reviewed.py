"""A study that a reader answered, whose answer was taken back, or that is due again."""

from collections.abc import Sequence

from screening.audit.actor import Actor
from screening.studies.models import Study, StudyState
from screening.studies.transitions import StudyFate, move_studies


def mark_reviewed(study: Study, *, actor: Actor) -> None:
    """Note that a reader answered this revision of a locked study, in the caller's transaction."""
    study.reviewed_revision = study.revision
    study.save(update_fields=["reviewed_revision"])
    fate = StudyFate(to=StudyState.REVIEWED, flagged=study.flagged, not_assessed=study.not_assessed)
    move_studies([(study, fate)], actor=actor)


def make_due(studies: Sequence[Study]) -> None:
    """Note of locked studies that no answer covers them any more; where they stand is moved by who judges them."""
    answered = [study for study in studies if study.reviewed_revision]
    if answered:
        Study.objects.filter(pk__in=[study.pk for study in answered]).update(reviewed_revision=0)
    for study in answered:
        study.reviewed_revision = 0


def mark_unreviewed(study: Study, *, reviewed_revision: int, actor: Actor) -> None:
    """Note that an answer about a locked study was taken back: it waits again, in the caller's transaction."""
    study.reviewed_revision = reviewed_revision
    study.save(update_fields=["reviewed_revision"])
    if study.state == StudyState.REVIEWED and reviewed_revision != study.revision:
        to = StudyState.INCOMPLETE if study.not_assessed else StudyState.READY
        move_studies([(study, StudyFate(to=to, flagged=study.flagged, not_assessed=study.not_assessed))], actor=actor)
