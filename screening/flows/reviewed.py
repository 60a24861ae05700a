"""A study that a reader answered."""

from screening.audit.actor import Actor
from screening.studies.models import Study, StudyState
from screening.studies.transitions import StudyFate, move_studies


def mark_reviewed(study: Study, *, actor: Actor) -> None:
    """Note that a reader answered this revision of a locked study, in the caller's transaction."""
    study.reviewed_revision = study.revision
    study.save(update_fields=["reviewed_revision"])
    fate = StudyFate(to=StudyState.REVIEWED, flagged=study.flagged, not_assessed=study.not_assessed)
    move_studies([(study, fate)], actor=actor)
