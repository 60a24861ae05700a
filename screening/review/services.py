"""Record what a reader answered."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from screening.audit.actor import Actor
from screening.audit.models import ChainKind
from screening.audit.services import Draft, record
from screening.errors import IllegalTransition, InvalidAnswer
from screening.flows.reviewed import mark_reviewed
from screening.retrying import again_on_conflict
from screening.review.boxes import Box, check_boxes
from screening.review.claims import refuse_taken
from screening.review.errors import PartlyAssessed, StudyMoved
from screening.review.findings import findings_of
from screening.review.flags import flagged_scores, has_score
from screening.review.models import Answer, Claim, Review
from screening.review.reads import follow, turn_of
from screening.studies.changes import mark_changed
from screening.studies.models import Study, StudyState
from screening.users.models import User


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerIn:
    """A reader's answer about one finding."""

    answer: str
    reason: str = ""
    box: Box | None = None


OPEN = (StudyState.RECEIVING, StudyState.SCREENING)


@again_on_conflict
@transaction.atomic
def record_review(
    *,
    study_id: UUID,
    reader: User,
    answers: Mapping[str, AnswerIn],
    comment: str,
    actor: Actor,
    read_id: UUID | None = None,
    revision: int | None = None,
    unassessed_only: bool = False,
) -> list[Review]:
    """Store a reader's answer for every finding of a study; an earlier one of the same reader is superseded.

    `read_id` names the second read or adjudication that the reader opened, if it was one; `revision` is that of the
    study as they saw it; `unassessed_only` refuses a study of which models have assessed anything.

    Raises:
        AlreadyRead: somebody else has done that read; nothing changed.
        InvalidAnswer: a finding has no answer, is unknown, or "not assessable" lacks its reason; nothing changed.
        BoxOutOfRange, BoxElsewhere, BoxNotTaken: a box cannot be; nothing changed.
        IllegalTransition: pictures are still being screened, or the study was purged.
        PartlyAssessed: `unassessed_only`, and a picture is flagged or has a score; nothing changed.
        StudyMoved: a picture came since the reader opened the study, or it was assessed; nothing changed.
        StudyTaken: another reader has it open; nothing changed.
    """
    study = Study.objects.select_for_update().get(pk=study_id)
    if study.state in {*OPEN, StudyState.PURGED}:
        raise IllegalTransition(_("A study that is %(state)s cannot be answered.") % {"state": _(study.state)})
    if revision is not None and revision != study.revision:
        raise StudyMoved(_("A picture of this study came in since you opened it."))
    refuse_taken(study, reader)
    if unassessed_only:
        _refuse_assessed(study)
    _check(answers, [finding.slug for finding in findings_of(study)])
    check_boxes(study, {finding: (given.answer, given.box) for finding, given in answers.items()})
    turn = turn_of(study, reader, read_id=read_id)
    scores = flagged_scores(study)
    reviews = [
        Review(
            study=study,
            revision=study.revision,
            reader=reader,
            finding=finding,
            answer=given.answer,
            reason=given.reason,
            comment=comment,
            box=given.box.stored if given.box else None,
            flagged=finding in scores,
            kind=turn.kind,
            blinded=turn.blinded,
        )
        for finding, given in answers.items()
    ]
    _supersede(study, reader, reviews)
    record(actor, [_draft(review) for review in reviews] + follow(study, turn, reviews, scores))
    mark_reviewed(study, actor=actor)
    Claim.objects.filter(study=study, reader=reader).delete()
    mark_changed([(study.site_id, study.pk)])
    return reviews


def _refuse_assessed(study: Study) -> None:
    """A failed slice of a large series must not close what the other slices say."""
    if not study.not_assessed:
        raise StudyMoved(_("This study has been assessed since you opened the list."))
    if study.flagged or has_score(study):
        raise PartlyAssessed(_("A model has assessed a part of this study: it cannot be answered unseen."))


def _check(answers: Mapping[str, AnswerIn], asked: Sequence[str]) -> None:
    if set(answers) != set(asked):
        raise InvalidAnswer(_("Asked were: %(findings)s.") % {"findings": ", ".join(asked) or _("no findings")})
    for finding, given in answers.items():
        if given.answer not in Answer.values:
            raise InvalidAnswer(
                _("The answer about %(finding)s is none of %(answers)s.")
                % {"finding": finding, "answers": ", ".join(Answer.values)}
            )
        if given.answer == Answer.NOT_ASSESSABLE and not given.reason.strip():
            raise InvalidAnswer(_("Why %(finding)s is not assessable is missing.") % {"finding": finding})


def _supersede(study: Study, reader: User, reviews: Sequence[Review]) -> None:
    """Write the new answers and point the old ones at them. The old rows keep everything they said."""
    standing = {
        old.finding: old
        for old in Review.objects.select_for_update().filter(study=study, reader=reader, superseded_by__isnull=True)
    }
    for review in reviews:
        old = standing.get(review.finding)
        if old is not None:  # first, since one answer may stand; that it points at a row is asked at the commit
            old.superseded_by_id = review.pk
            old.save(update_fields=["superseded_by"])
        review.save(force_insert=True)


def _draft(review: Review) -> Draft:
    detail = {
        "review": str(review.pk),
        "finding": review.finding,
        "answer": review.answer,
        "revision": review.revision,
        "flagged": review.flagged,
        "kind": review.kind,
        "blinded": review.blinded,
        **({"box": review.box_sides} if review.box else {}),
    }
    return Draft(ChainKind.STUDY, review.study_id, review.study.site_id, "study:answered", detail)
