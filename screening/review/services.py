"""Record what a reader answered."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import transaction

from screening.audit.actor import Actor
from screening.audit.models import ChainKind
from screening.audit.services import Draft, record
from screening.errors import IllegalTransition, InvalidAnswer
from screening.flows.reviewed import mark_reviewed
from screening.results.models import Screening
from screening.retrying import again_on_conflict
from screening.review.findings import findings_of
from screening.review.models import Answer, Review
from screening.studies.changes import mark_changed
from screening.studies.models import Study, StudyState
from screening.users.models import User


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerIn:
    """A reader's answer about one finding."""

    answer: str
    reason: str = ""


OPEN = (StudyState.RECEIVING, StudyState.SCREENING)


@again_on_conflict
@transaction.atomic
def record_review(
    *, study_id: UUID, reader: User, answers: Mapping[str, AnswerIn], comment: str, actor: Actor
) -> list[Review]:
    """Store a reader's answer for every finding of a study; an earlier one of the same reader is superseded.

    Raises:
        InvalidAnswer: a finding has no answer, is unknown, or "not assessable" lacks its reason; nothing changed.
        IllegalTransition: pictures are still being screened, or the study was purged.
    """
    study = Study.objects.select_for_update().get(pk=study_id)
    if study.state in {*OPEN, StudyState.PURGED}:
        raise IllegalTransition(f"A study that is {study.state} cannot be answered.")
    _check(answers, [finding.slug for finding in findings_of(study)])
    flagged = _flagged_labels(study)
    reviews = [
        Review(
            study=study,
            revision=study.revision,
            reader=reader,
            finding=finding,
            answer=given.answer,
            reason=given.reason,
            comment=comment,
            flagged=finding in flagged,
        )
        for finding, given in answers.items()
    ]
    _supersede(study, reader, reviews)
    record(actor, [_draft(review) for review in reviews])
    mark_reviewed(study, actor=actor)
    mark_changed([(study.site_id, study.pk)])
    return reviews


def _check(answers: Mapping[str, AnswerIn], asked: Sequence[str]) -> None:
    if set(answers) != set(asked):
        raise InvalidAnswer(f"Asked were: {', '.join(asked) or 'no findings'}.")
    for finding, given in answers.items():
        if given.answer not in Answer.values:
            raise InvalidAnswer(f"The answer about {finding} is none of {', '.join(Answer.values)}.")
        if given.answer == Answer.NOT_ASSESSABLE and not given.reason.strip():
            raise InvalidAnswer(f"Why {finding} is not assessable is missing.")


def _flagged_labels(study: Study) -> set[str]:
    rows = Screening.objects.filter(study=study, flagged=True).values_list("scores", "thresholds")
    return {label for scores, points in rows for label, point in points.items() if scores.get(label, 0.0) >= point}


def _supersede(study: Study, reader: User, reviews: Sequence[Review]) -> None:
    """Write the new answers and point the old ones at them. The old rows keep everything they said."""
    standing = {
        old.finding: old
        for old in Review.objects.select_for_update().filter(study=study, reader=reader, superseded_by__isnull=True)
    }
    for review in reviews:
        old = standing.get(review.finding)
        if old is not None:  # the constraint allows one standing answer: step aside first, then point at the new one
            old.superseded_by = old
            old.save(update_fields=["superseded_by"])
        review.save(force_insert=True)
        if old is not None:
            old.superseded_by = review
            old.save(update_fields=["superseded_by"])


def _draft(review: Review) -> Draft:
    detail = {
        "review": str(review.pk),
        "finding": review.finding,
        "answer": review.answer,
        "revision": review.revision,
        "flagged": review.flagged,
    }
    return Draft(ChainKind.STUDY, review.study_id, review.study.site_id, "study:answered", detail)
