"""Take an answer back within seconds. Nothing is deleted: the row stays in the history, the chain tells both acts."""

from datetime import timedelta
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from screening.audit.actor import Actor
from screening.audit.models import ChainKind
from screening.audit.services import Draft, record
from screening.flows.reviewed import mark_unreviewed
from screening.retrying import again_on_conflict
from screening.review.errors import TooLateToUndo
from screening.review.models import SECOND, Kind, Review
from screening.review.reads import forget_second
from screening.studies.changes import mark_changed
from screening.studies.models import Study
from screening.users.models import User

SECONDS: Final = 10  # that are offered
GRACE: Final = 3  # that the request may take
FINAL: Final = (*SECOND, Kind.ADJUDICATION)  # others act on them at once: they are replaced, not taken back


def undoable(reader: User, study_id: UUID | None = None) -> list[Review]:
    """The answers that the reader gave last, to one study, while they can still be taken back.

    None where the last one cannot be: an older one is not offered in its place.
    """
    recent = Review.objects.filter(reader=reader, created_at__gt=Now() - timedelta(seconds=SECONDS + GRACE))
    standing = recent.filter(superseded_by__isnull=True).order_by("-created_at")
    found = list(standing.filter(study=study_id) if study_id else standing)
    return [review for review in found if review.study_id == found[0].study_id and review.kind not in FINAL]


@again_on_conflict
@transaction.atomic
def undo_answer(*, study_id: UUID, reader: User, actor: Actor) -> list[Review]:
    """Take back what the reader answered about a study a moment ago; what it had replaced stands again.

    A second read that it made due is withdrawn while nobody has given it.

    Raises:
        TooLateToUndo: the moment has passed, or there is no such answer; nothing changed.
    """
    study = Study.objects.select_for_update().get(pk=study_id)
    reviews = undoable(reader, study_id)
    if not reviews:
        raise TooLateToUndo(_("This answer can no longer be taken back."))
    for review in reviews:
        _stand_back(review)
    record(actor, [_draft(study, review) for review in reviews] + forget_second(study, reader))
    _reopen(study, actor)
    mark_changed([(study.site_id, study.pk)])
    return reviews


def _stand_back(review: Review) -> None:
    before = Review.objects.filter(superseded_by=review).exclude(pk=review.pk).first()
    if before is not None:  # one standing answer, one that points at it: the old one steps aside first
        before.superseded_by = before
        before.save(update_fields=["superseded_by"])
    review.superseded_by = review
    review.save(update_fields=["superseded_by"])
    if before is not None:
        before.superseded_by = None
        before.save(update_fields=["superseded_by"])


def _reopen(study: Study, actor: Actor) -> None:
    """Bring the study back to where it waits, unless an answer about these pictures, and about their flag, stands."""
    standing = Review.objects.filter(study=study, superseded_by__isnull=True).order_by(F("revision").desc())
    if study.flagged:
        standing = standing.filter(flagged=True)
    answered = standing.values_list("revision", flat=True).first() or 0
    if answered != study.reviewed_revision:
        mark_unreviewed(study, reviewed_revision=answered, actor=actor)


def _draft(study: Study, review: Review) -> Draft:
    detail = {"review": str(review.pk), "finding": review.finding, "revision": review.revision}
    return Draft(ChainKind.STUDY, study.pk, study.site_id, "study:answer_withdrawn", detail)
