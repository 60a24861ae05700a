"""Taking an answer back: for some seconds, with everything kept, and one key for what cannot be used."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from screening.audit.actor import Actor
from screening.audit.models import AuditEvent, ChainKind
from screening.audit.services import verify_chain
from screening.results.models import ScreeningState
from screening.review.errors import TooLateToUndo
from screening.review.models import Claim, FurtherRead, Review
from screening.review.reads import opinion_of
from screening.review.services import AnswerIn, record_review
from screening.review.undo import undo_answer, undoable
from screening.studies.models import SiteChange, Study, StudyState
from screening.users.models import Role, Site
from tests.factories import ImageFactory, ScreeningFactory, StudyFactory, UserFactory
from tests.review.test_claims import Desk, address

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk():
    return Desk()


def answer(study, reader, value="present"):
    answers = {"covid": AnswerIn(answer=value)}
    [review] = record_review(study_id=study.pk, reader=reader, answers=answers, comment="", actor=Actor.user(reader))
    return review


def undo(study, reader):
    return undo_answer(study_id=study.pk, reader=reader, actor=Actor.user(reader))


def test_an_answer_taken_back_stays_in_the_history_and_the_study_waits_again(desk):
    study = desk.study(1)
    review = answer(study, desk.one)
    number = SiteChange.objects.get(site=desk.site).number

    undo(study, desk.one)

    study.refresh_from_db()
    review.refresh_from_db()
    assert (study.state, study.reviewed_revision, study.flagged) == (StudyState.READY, 0, True)
    assert (review.answer, review.is_withdrawn) == ("present", True)
    assert [event.action for event in AuditEvent.objects.order_by("pk")][-2:] == [
        "study:answer_withdrawn",
        "study:ready",
    ]
    assert verify_chain(ChainKind.STUDY, study.pk).intact
    assert SiteChange.objects.get(site=desk.site).number > number
    assert undoable(desk.one) == []


def test_what_an_answer_had_replaced_stands_again(desk):
    study = desk.study(1)
    first = answer(study, desk.one, "absent")
    second = answer(study, desk.one, "present")

    undo(study, desk.one)

    assert Review.objects.get(superseded_by__isnull=True) == first
    second.refresh_from_db()
    assert second.is_withdrawn
    study.refresh_from_db()
    assert study.state == StudyState.REVIEWED
    third = answer(study, desk.one, "unsure")
    assert Review.objects.get(superseded_by__isnull=True) == third


def test_another_readers_answer_keeps_the_study_answered(desk):
    study = desk.study(1)
    answer(study, desk.two, "absent")
    answer(study, desk.one)

    undo(study, desk.one)

    study.refresh_from_db()
    assert (study.state, study.reviewed_revision) == (StudyState.REVIEWED, 1)
    assert Review.objects.get(superseded_by__isnull=True).reader == desk.two


def test_after_some_seconds_an_answer_is_replaced_and_not_taken_back(desk):
    study = desk.study(1)
    answer(study, desk.one)
    Review.objects.update(created_at=timezone.now() - timedelta(seconds=14))
    events = AuditEvent.objects.count()

    with pytest.raises(TooLateToUndo):
        undo(study, desk.one)

    assert Review.objects.filter(superseded_by__isnull=True).count() == 1
    assert AuditEvent.objects.count() == events


def test_nobody_takes_back_what_another_reader_answered(desk):
    study = desk.study(1)
    answer(study, desk.one)

    with pytest.raises(TooLateToUndo):
        undo(study, desk.two)


def test_a_second_opinion_is_compared_at_once_and_not_taken_back(desk):
    Site.objects.filter(pk=desk.site.pk).update(second_share=1.0)
    study = desk.study(1)
    answer(study, desk.one)
    answer(study, desk.two, "absent")

    with pytest.raises(TooLateToUndo):
        undo(study, desk.two)


def test_the_page_offers_the_way_back_also_from_the_next_study(desk, client):
    study, following = desk.study(2), desk.study(1)
    client.force_login(desk.one)
    recorded = client.post(f"{address(study, 'answer')}?tray=to_read", {"answer-covid": "present", "revision": 1})
    way_back = f'action="{address(study, "undo")}"'
    assert way_back in recorded.text
    assert way_back in client.get(address(following), {"tray": "to_read"}).text
    assert way_back in client.get(reverse("review:to_read")).text

    page = client.post(address(study, "undo"), follow=True)

    assert page.redirect_chain == [(f"{address(study)}?tray=to_read", 302)]
    assert "Your answer was taken back." in page.text
    assert "withdrawn" in page.text
    assert "Record answer" in page.text


def test_the_day_is_told_with_what_stands_and_what_was_taken_back(desk, client):
    first, second = desk.study(2), desk.study(1)
    answer(first, desk.one, "absent")
    answer(second, desk.one, "present")
    undo(second, desk.one)
    answer(second, desk.two, "present")
    client.force_login(desk.one)

    page = client.get(reverse("review:summary"))

    found = page.context["summary"]
    assert (found.studies, found.counts) == (1, (("Absent", 1),))
    assert [review.study_id for review in found.reviews] == [second.pk, first.pk]
    assert "withdrawn" in page.text


def unseen(desk):
    study = StudyFactory(upload=desk.upload, incomplete=True)
    ScreeningFactory(image=ImageFactory(study=study), state=ScreeningState.INCONCLUSIVE, code="not_chest")
    return study


def test_one_key_answers_what_cannot_be_used_and_can_be_taken_back(desk, client):
    study = unseen(desk)
    client.force_login(desk.one)
    tray = client.get(reverse("review:not_assessed")).text
    assert f'hx-post="{address(study, "unusable")}"' in tray

    done = client.post(address(study, "unusable"))

    review = Review.objects.get()
    assert (review.answer, review.reason) == ("not_assessable", "technically unusable")
    assert f'action="{address(study, "undo")}"' in done.text
    undo(study, desk.one)
    study.refresh_from_db()
    assert study.state == StudyState.INCOMPLETE


@pytest.mark.parametrize(
    ("became", "said"),
    [
        ({"flagged": True, "not_assessed": False, "state": StudyState.READY}, "has been assessed since"),
        ({"revision": 2}, "A picture of this study came in"),
        ({"revision": 2, "flagged": True, "not_assessed": False, "state": StudyState.READY}, "came in"),
    ],
)
def test_what_a_study_became_since_the_list_was_opened_is_not_answered_at_one_stroke(desk, client, became, said):
    study = unseen(desk)
    client.force_login(desk.one)
    tray = client.get(reverse("review:not_assessed")).text
    assert """hx-vals='{"revision": "1"}'""" in tray
    Study.objects.filter(pk=study.pk).update(**became)
    before = Study.objects.values("state", "flagged", "not_assessed", "reviewed_revision").get(pk=study.pk)

    told = client.post(address(study, "unusable"), {"revision": "1"}).text

    assert said in told
    assert "Nothing was recorded." in told
    assert "data-undo" not in told
    assert not Review.objects.exists()
    assert Study.objects.values("state", "flagged", "not_assessed", "reviewed_revision").get(pk=study.pk) == before


def test_what_another_reader_has_open_is_not_answered_at_one_stroke(desk, client):
    study = desk.study(1)
    Claim.objects.create(study=study, reader=desk.two, until=timezone.now() + timedelta(minutes=1))
    client.force_login(UserFactory(role_at=(desk.site, Role.REVIEWER)))

    told = client.post(address(study, "unusable")).text

    assert "is reading this study" in told
    assert not Review.objects.exists()


def waits(study) -> list[tuple[str, str]]:
    return list(FurtherRead.objects.filter(study=study).values_list("cause", "state"))


def test_a_second_read_that_a_slip_made_due_goes_with_it(desk):
    Site.objects.filter(pk=desk.site.pk).update(second_when_unsure=True)
    study = desk.study(1)
    answer(study, desk.one, "unsure")

    undo(study, desk.one)

    assert waits(study) == [("unsure", "withdrawn")]
    assert AuditEvent.objects.filter(action="study:read_withdrawn").count() == 1
    answer(study, desk.one, "absent")
    assert waits(study) == [("unsure", "withdrawn")]


@pytest.mark.parametrize("slip", ["absent", "unsure"])
def test_the_answer_in_place_of_a_slip_makes_a_second_read_due(desk, slip):
    Site.objects.filter(pk=desk.site.pk).update(second_when_unsure=True)
    study = desk.study(1)
    answer(study, desk.one, slip)
    undo(study, desk.one)

    assert answer(study, desk.one, "unsure").kind == "changed"

    assert waits(study) == [("unsure", "waiting")]
    assert answer(study, desk.two, "unsure").kind == "second_targeted"


def test_a_slip_that_was_taken_back_is_no_disagreement(desk):
    Site.objects.filter(pk=desk.site.pk).update(second_share=1.0)
    study = desk.study(1)
    answer(study, desk.one, "present")
    undo(study, desk.one)
    answer(study, desk.one, "absent")

    answer(study, desk.two, "absent")

    assert waits(study) == [("random", "done")]
    assert {said.answer for said in opinion_of(study, desk.one.pk).values()} == {"absent"}


def test_a_change_that_is_taken_back_leaves_the_second_read_due(desk):
    Site.objects.filter(pk=desk.site.pk).update(second_share=1.0)
    study = desk.study(1)
    answer(study, desk.one, "present")
    answer(study, desk.one, "absent")

    undo(study, desk.one)

    assert waits(study) == [("random", "waiting")]
