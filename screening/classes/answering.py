"""Record what a reader of a class said. Nothing of it reaches reviews, worklists or figures of the site."""

from uuid import UUID

from django.db import transaction

from screening.audit.actor import Actor
from screening.audit.services import record
from screening.classes.errors import CaseGone
from screening.classes.models import Case, ClassAnswer, Said, SetState
from screening.classes.services import draft, locked
from screening.errors import InvalidAnswer
from screening.retrying import again_on_conflict
from screening.studies.models import StudyState
from screening.users.models import User


@again_on_conflict
@transaction.atomic
def record_answer(*, case_id: UUID, reader: User, answer: str) -> ClassAnswer:
    """Store an answer behind the earlier ones of the same reader; the same answer again changes nothing.

    The reader has a seat in the set of the case: that is asked where the case is found.

    Raises:
        InvalidAnswer: it is none of the four.
        SetNotInState: the set is not open, or not any more; nothing was recorded.
        CaseGone: the study was deleted.
    """
    if answer not in Said.values:
        raise InvalidAnswer(f"An answer is one of {', '.join(Said.values)}.")
    case = Case.objects.select_related("study").get(pk=case_id)
    found = locked(case.reading_set_id, SetState.OPEN)
    if case.study.state == StudyState.PURGED:
        raise CaseGone("The pictures of this case were deleted.")
    last = ClassAnswer.objects.filter(case=case, reader=reader).order_by("-seq").first()
    if last is not None and last.answer == answer:
        return last
    given = ClassAnswer.objects.create(case=case, reader=reader, answer=answer, seq=last.seq + 1 if last else 1)
    detail = {"case": str(case.pk), "seq": given.seq, "answer": answer}
    record(Actor.user(reader), [draft(found, "class:answered", detail)])
    return given
