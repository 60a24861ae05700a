import pytest

from screening.audit.actor import Actor
from screening.audit.models import AuditEvent
from screening.errors import IllegalTransition, InvalidAnswer
from screening.review.models import Review
from screening.review.services import AnswerIn, record_review
from screening.studies.models import StudyState
from tests.factories import ImageFactory, ScreeningFactory, StudyFactory, UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def study():
    study = StudyFactory(flagged_ready=True)
    ScreeningFactory(image=ImageFactory(study=study), scored_flagged=True)
    return study


def answer(study, reader, value: str = "present", reason: str = ""):
    return record_review(
        study_id=study.pk,
        reader=reader,
        answers={"covid": AnswerIn(answer=value, reason=reason)},
        comment="seen",
        actor=Actor.user(reader),
    )


def test_an_answer_is_kept_with_what_was_flagged_and_marks_the_study_reviewed(study):
    [review] = answer(study, UserFactory())

    study.refresh_from_db()
    assert (review.finding, review.answer, review.flagged, review.revision) == ("covid", "present", True, 1)
    assert (study.state, study.reviewed_revision) == (StudyState.REVIEWED, 1)
    assert AuditEvent.objects.filter(action="study:answered").get().detail["answer"] == "present"


def test_a_second_answer_supersedes_the_first_and_overwrites_nothing(study):
    reader = UserFactory()
    [first] = answer(study, reader)

    [second] = answer(study, reader, "absent")

    first.refresh_from_db()
    assert (first.answer, first.superseded_by_id) == ("present", second.pk)
    assert Review.objects.filter(superseded_by__isnull=True).get() == second


def test_a_reader_may_change_an_answer_as_often_as_it_takes(study):
    reader = UserFactory()
    given = [answer(study, reader, word)[0] for word in ("present", "absent", "unsure", "present")]

    [review.refresh_from_db() for review in given]
    assert [review.superseded_by_id for review in given] == [*(review.pk for review in given[1:]), None]


def test_two_readers_answers_stand_side_by_side(study):
    answer(study, UserFactory())
    answer(study, UserFactory(), "absent")

    assert Review.objects.filter(superseded_by__isnull=True).count() == 2


@pytest.mark.parametrize(("value", "reason"), [("yes", ""), ("not_assessable", " ")])
def test_an_answer_that_is_none_is_refused_and_nothing_is_written(study, value, reason):
    with pytest.raises(InvalidAnswer):
        answer(study, UserFactory(), value, reason)

    study.refresh_from_db()
    assert study.state == StudyState.READY
    assert not Review.objects.exists()
    assert not AuditEvent.objects.exists()


def test_a_study_that_is_still_screened_cannot_be_answered():
    study = StudyFactory()
    ScreeningFactory(image=ImageFactory(study=study))

    with pytest.raises(IllegalTransition):
        answer(study, UserFactory())

    assert not Review.objects.exists()
