"""Readers who want the same study at the same moment, each with a connection of their own."""

from collections import Counter

import pytest

from screening.review.claims import claim_study, take_next
from screening.review.errors import StudyTaken
from screening.review.models import Claim
from screening.users.models import Role
from tests.factories import UserFactory
from tests.races.test_lock_order import together
from tests.review.test_claims import Desk
from tests.review.test_undo import answer, undo

pytestmark = pytest.mark.django_db(transaction=True)
ROUNDS = 8
READERS = 4


def test_of_readers_who_open_a_study_at_once_one_has_it_and_all_others_are_told_who():
    for _ in range(ROUNDS):
        desk = Desk()
        study = desk.study(1)
        readers = [UserFactory(role_at=(desk.site, Role.REVIEWER)) for _ in range(READERS)]
        got: list[str] = []
        told: list[str] = []

        def open_study(reader, study=study, got=got, told=told) -> None:
            try:
                claim_study(study_id=study.pk, reader=reader)
                got.append(reader.username)
            except StudyTaken as refused:
                told.append(refused.what_happened)

        together(*(lambda reader=reader, run=open_study: run(reader) for reader in readers))

        [winner] = got
        assert told == [f"{winner} is reading this study."] * (READERS - 1)
        assert Claim.objects.get(study=study).reader.username == winner


def test_readers_who_ask_for_the_next_study_at_once_get_different_ones():
    desk = Desk()
    waiting = {desk.study(n).pk for n in range(READERS * 3)}
    readers = [UserFactory(role_at=(desk.site, Role.REVIEWER)) for _ in range(READERS)]
    taken: list = []

    def read(reader) -> None:
        leaving = None
        for _ in range(3):
            leaving = take_next(reader=reader, leaving=leaving).study_id
            answer_it(leaving, reader)
            taken.append(leaving)

    def answer_it(study_id, reader) -> None:
        answer(Claim.objects.get(study=study_id, reader=reader).study, reader)

    together(*(lambda reader=reader: read(reader) for reader in readers))

    assert Counter(taken) == Counter(waiting)
    assert not Claim.objects.exists()


def test_an_answer_that_is_taken_back_twice_at_once_is_taken_back_once():
    for _ in range(ROUNDS):
        desk = Desk()
        study = desk.study(1)
        answer(study, desk.one)
        done: list[str] = []

        def take_back(study=study, desk=desk, done=done) -> None:
            try:
                undo(study, desk.one)
                done.append("undone")
            except Exception as refused:  # noqa: BLE001 - what it is, is what the test looks at
                done.append(type(refused).__name__)

        together(take_back, take_back)

        assert sorted(done) == ["TooLateToUndo", "undone"]
