"""What kind of opinion an answer is, and which further reads it makes due."""

from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from screening.audit.actor import Actor
from screening.audit.models import AuditEvent, ChainKind
from screening.audit.services import verify_chain
from screening.errors import AlreadyRead
from screening.flows.reflagging import reflag
from screening.flows.settle import settle_studies
from screening.results.models import SeriesResult
from screening.review.flags import flagged_scores
from screening.review.models import FurtherRead, Review
from screening.review.services import AnswerIn, record_review
from screening.review.undo import undo_answer
from screening.studies.models import Sample, Study, StudyState
from screening.users.models import Role
from tests.factories import ImageFactory, ScreeningFactory, SiteFactory, StudyFactory, UploadFactory, UserFactory

pytestmark = pytest.mark.django_db


class Room:
    """A site with three reviewers and one study that is flagged, unless told otherwise."""

    def __init__(self, *, flagged: bool = True, **policy):
        self.site = SiteFactory(draw_key="k" * 64, **policy)
        self.one, self.two, self.three = (UserFactory(role_at=(self.site, Role.REVIEWER)) for _ in range(3))
        self.admin = UserFactory(role_at=(self.site, Role.ADMIN))
        trait = {"flagged_ready": True} if flagged else {"ready": True}
        self.study = StudyFactory(upload=UploadFactory(site=self.site), **trait)
        row = {"scored_flagged": True} if flagged else {"scored": True}
        self.screening = ScreeningFactory(image=ImageFactory(study=self.study), **row)

    def answer(self, reader, value: str = "present", **more) -> Review:
        [review] = record_review(
            study_id=self.study.pk,
            reader=reader,
            answers={"covid": AnswerIn(answer=value)},
            comment="",
            actor=Actor.user(reader),
            **more,
        )
        return review

    def draw(self, *, drawn: bool = True, **more) -> Sample:
        told = {"revision": 1, "flagged": self.study.flagged, "probability": 0.1, "drawn": drawn, **more}
        return Sample.objects.create(site=self.site, study=self.study, **told)

    def events(self) -> list[str]:
        found = AuditEvent.objects.filter(chain=f"study:{self.study.pk}").order_by("seq")
        return [event.action.removeprefix("study:") for event in found]


def said(review: Review) -> tuple[str, bool]:
    return (review.kind, review.blinded)


def test_where_nothing_is_blinded_the_first_answer_is_first_a_change_is_changed_and_others_are_additional():
    room = Room()

    assert said(room.answer(room.one)) == ("first", False)
    assert said(room.answer(room.one, "absent")) == ("changed", False)
    assert said(room.answer(room.two)) == ("additional", False)
    assert not FurtherRead.objects.exists()


def test_at_a_blinded_site_a_first_answer_is_blinded_and_a_changed_one_is_after_unblinding():
    room = Room(blinded_since=timezone.now())
    Study.objects.update(created_at=timezone.now())

    assert said(room.answer(room.one)) == ("first", True)
    assert said(room.answer(room.one, "absent")) == ("after_unblinding", False)
    assert said(room.answer(room.two)) == ("additional", True)
    assert room.events() == ["answered", "revealed", "reviewed", "answered", "answered", "revealed"]


def test_a_study_that_was_open_before_the_site_was_blinded_is_hidden_and_not_counted_as_blinded():
    room = Room(blinded_since=timezone.now())
    Study.objects.update(created_at=timezone.now() - timedelta(days=1))

    assert said(room.answer(room.one)) == ("first", False)
    assert "revealed" in room.events()


def test_what_an_administrator_answers_is_never_blinded():
    room = Room(blinded_since=timezone.now() - timedelta(days=1))

    assert said(room.answer(room.admin)) == ("first", False)


def test_the_first_answer_on_a_drawn_study_is_sampled_and_blinded_at_an_open_site_too():
    room = Room(flagged=False)
    room.draw()

    assert said(room.answer(room.one, "absent")) == ("sampled", True)
    assert said(room.answer(room.two, "absent")) == ("additional", False)


def test_a_study_that_was_not_drawn_is_no_sample():
    room = Room(flagged=False)
    room.draw(drawn=False)

    assert said(room.answer(room.one, "absent")) == ("first", False)


def test_a_study_drawn_only_with_a_late_picture_was_open_before():
    room = Room(flagged=False)
    Study.objects.update(revision=2, reviewed_revision=1)
    room.draw(revision=2)

    assert said(room.answer(room.one, "absent")) == ("sampled", False)


def test_a_reader_who_answered_an_earlier_revision_has_seen_the_models():
    room = Room(blinded_since=timezone.now() - timedelta(days=1))
    room.answer(room.one)
    Study.objects.update(revision=2, state=StudyState.READY)

    assert said(room.answer(room.one)) == ("first", False)


def test_a_random_double_read_keeps_its_probability_and_agreement_ends_it():
    room = Room(second_share=1.0)
    room.answer(room.one)
    read = FurtherRead.objects.get()
    assert (read.stage, read.cause, read.probability, read.first) == ("second", "random", 1.0, room.one)

    assert said(room.answer(room.two, read_id=read.pk)) == ("second_random", False)

    read.refresh_from_db()
    assert (read.state, read.done_by, FurtherRead.objects.count()) == ("done", room.two, 1)
    assert room.events() == ["answered", "second_due", "reviewed", "answered", "revealed", "second_read"]


def test_a_double_read_that_was_not_drawn_is_told_with_its_probability():
    room = Room(second_share=1e-9)

    room.answer(room.one)

    assert not FurtherRead.objects.exists()
    event = AuditEvent.objects.get(action="study:second_not_drawn")
    assert event.detail == {"revision": 1, "probability": 1e-9}


@pytest.mark.parametrize(
    ("policy", "value", "cause"),
    [
        ({"second_when_unsure": True}, "unsure", "unsure"),
        ({"second_when_unsure": True}, "absent", None),
        ({"second_dismissed_from": 0.9}, "absent", "dismissed"),
        ({"second_dismissed_from": 0.91}, "absent", None),
        ({"second_dismissed_from": 0.9}, "present", None),
        ({"second_dismissed_from": 0.9, "second_share": 1.0}, "absent", "random"),
    ],
)
def test_a_rule_asks_for_a_second_reader_and_is_marked_unless_the_study_was_drawn(policy, value, cause):
    room = Room(**policy)

    room.answer(room.one, value)

    assert list(FurtherRead.objects.values_list("cause", flat=True)) == ([cause] if cause else [])
    if cause in {"unsure", "dismissed"}:
        assert room.answer(room.two).kind == "second_targeted"


def test_two_who_differ_are_decided_by_a_third_and_by_nobody_else():
    room = Room(second_share=1.0)
    room.answer(room.one)
    room.answer(room.two, "absent")
    read = FurtherRead.objects.get(stage="adjudication")
    assert (read.cause, read.first, read.second, read.probability) == ("disagreement", room.one, room.two, None)

    for reader in (room.one, room.two, room.admin):
        with pytest.raises(AlreadyRead):
            room.answer(reader, read_id=read.pk)
    assert room.answer(room.three, "absent", read_id=read.pk).kind == "adjudication"

    read.refresh_from_db()
    assert (read.state, read.done_by) == ("done", room.three)
    assert AuditEvent.objects.get(action="study:adjudicated").detail["answers"] == {"covid": "absent"}
    assert verify_chain(ChainKind.STUDY, room.study.pk).intact


def test_what_the_first_reader_changed_since_does_not_hide_that_two_differed():
    room = Room(second_share=1.0)
    room.answer(room.one)
    room.answer(room.one, "absent")

    room.answer(room.two, "absent")

    assert FurtherRead.objects.filter(stage="adjudication").exists()


def test_a_read_that_is_done_is_refused_and_nothing_is_written():
    room = Room(second_share=1.0)
    room.answer(room.one)
    read = FurtherRead.objects.get()
    room.answer(room.two, read_id=read.pk)
    before = (Review.objects.count(), AuditEvent.objects.count())

    with pytest.raises(AlreadyRead):
        room.answer(room.three, read_id=read.pk)

    assert (Review.objects.count(), AuditEvent.objects.count()) == before


def test_a_late_picture_withdraws_what_waited_once_the_study_is_answered_anew():
    room = Room(second_share=1.0)
    room.answer(room.one)
    Study.objects.update(revision=2, state=StudyState.READY)

    room.answer(room.two)

    assert list(FurtherRead.objects.order_by("revision").values_list("revision", "state")) == [
        (1, "withdrawn"),
        (2, "waiting"),
    ]
    assert "read_withdrawn" in room.events()


def test_the_slices_of_a_series_flag_nothing_by_themselves():
    room = Room()
    SeriesResult.objects.create(
        study=room.study,
        model_version=room.screening.model_version,
        pipeline="plane-1",
        outcome="scored",
        slices=12,
        scores={"covid": 0.3},
        thresholds={"covid": 0.5},
    )

    assert flagged_scores(room.study) == {}
    SeriesResult.objects.update(scores={"covid": 0.6})
    assert flagged_scores(room.study) == {"covid": 0.6}


def test_a_late_picture_that_flags_a_drawn_study_in_an_open_tray_makes_its_answer_not_blinded():
    room = Room(sample_share=0.5)
    room.draw(flagged=False)
    Study.objects.update(revision=2)

    assert said(room.answer(room.one)) == ("first", False)
    assert "revealed" not in room.events()


def test_a_late_picture_of_a_drawn_study_does_not_close_what_another_reader_opened():
    room = Room(flagged=False, sample_share=1.0)
    room.draw()
    room.answer(room.one, "absent")
    Study.objects.update(revision=2, state=StudyState.READY)
    room.draw(revision=2)

    assert said(room.answer(room.two, "absent")) == ("sampled", False)


def test_an_answer_taken_back_had_opened_a_drawn_study_to_others():
    room = Room(flagged=False, sample_share=1.0)
    room.draw()
    room.answer(room.one, "absent")
    undo_answer(study_id=room.study.pk, reader=room.one, actor=Actor.user(room.one))

    assert said(room.answer(room.two, "absent"))[1] is False


def test_a_second_reader_of_a_drawn_study_is_blinded_where_the_first_answer_asked_for_the_second():
    room = Room(flagged=False, sample_share=1.0, second_share=1.0)
    room.draw()
    room.answer(room.one, "absent")

    assert said(room.answer(room.two, "absent")) == ("second_random", True)


def test_what_stood_open_while_it_was_incomplete_and_is_drawn_then_is_not_blinded():
    room = Room(flagged=False, sample_share=1.0)
    Study.objects.update(state=StudyState.INCOMPLETE, not_assessed=True)

    settle_studies([room.study.pk])

    assert Sample.objects.get().open_before is True
    assert said(room.answer(room.one, "absent")) == ("sampled", False)


def test_what_stood_open_with_a_flag_and_is_drawn_once_the_flag_is_gone_is_not_blinded():
    room = Room(sample_share=1.0)
    points = {"covid": 0.95}

    with transaction.atomic():
        version = room.screening.model_version_id
        reflag(study_ids=[room.study.pk], version_id=version, thresholds=points, actor=Actor.user(room.admin))

    row = Sample.objects.get()
    assert (row.flagged, row.drawn, row.open_before) == (False, True, True)
    assert said(room.answer(room.one, "absent")) == ("sampled", False)


def test_what_is_drawn_as_it_becomes_complete_was_closed_from_its_first_picture_on():
    room = Room(flagged=False, sample_share=1.0)
    Study.objects.update(state=StudyState.SCREENING, completed_at=None)

    settle_studies([room.study.pk])

    assert Sample.objects.get().open_before is False
    assert said(room.answer(room.one, "absent")) == ("sampled", True)
