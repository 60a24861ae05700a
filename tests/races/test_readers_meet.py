"""Readers who answer at the same moment: of two who decide between opinions, one does."""

import pytest

from screening.audit.models import ChainKind
from screening.audit.services import verify_chain
from screening.errors import AlreadyRead
from screening.review.models import FurtherRead, Review
from screening.users.models import Role
from tests.factories import UserFactory
from tests.races.test_lock_order import together
from tests.review.test_reads import Room

pytestmark = pytest.mark.django_db(transaction=True)
ROUNDS = 8


def test_of_two_who_adjudicate_at_once_one_does_and_the_other_is_told():
    for _ in range(ROUNDS):
        room = Room(second_share=1.0)
        room.answer(room.one)
        room.answer(room.two, "absent")
        read = FurtherRead.objects.get(study=room.study, stage="adjudication")
        fourth = UserFactory(role_at=(room.site, Role.REVIEWER))
        told: list[str] = []

        def decide(reader, value, room=room, read=read, told=told) -> None:
            try:
                told.append(room.answer(reader, value, read_id=read.pk).kind)
            except AlreadyRead as error:
                told.append(error.code)

        together(
            lambda room=room, decide=decide: decide(room.three, "present"),
            lambda fourth=fourth, decide=decide: decide(fourth, "absent"),
        )

        assert sorted(told) == ["adjudication", "already_read"]
        decided = Review.objects.get(study=room.study, kind="adjudication")
        read.refresh_from_db()
        assert (read.state, read.done_by_id) == ("done", decided.reader_id)
        assert Review.objects.filter(study=room.study).count() == 3
        assert verify_chain(ChainKind.STUDY, room.study.pk).intact


def test_of_two_who_answer_first_at_once_one_is_first_and_the_other_is_the_second_reader():
    for _ in range(ROUNDS):
        room = Room(second_share=1.0)

        together(lambda room=room: room.answer(room.one), lambda room=room: room.answer(room.two, "absent"))

        kinds = sorted(Review.objects.filter(study=room.study).values_list("kind", flat=True))
        assert kinds == ["first", "second_random"]
        assert set(FurtherRead.objects.filter(study=room.study).values_list("stage", "state")) == {
            ("second", "done"),
            ("adjudication", "waiting"),
        }
