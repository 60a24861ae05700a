"""A read that nobody of its site may give is told to the administrators; one that somebody may give is not."""

import pytest
from django.test import Client
from django.urls import reverse

from screening.metrics.queues import reads
from screening.review.blinding import Veil
from screening.review.models import FurtherRead, ReadState
from screening.review.stranded import stranded_at, stranded_for
from screening.studies.models import Study, StudyState
from screening.users.models import Membership, Role
from tests.factories import SiteFactory, UserFactory
from tests.review.test_reads import Room

pytestmark = pytest.mark.django_db


def leave(*users) -> None:
    Membership.objects.filter(user__in=users).delete()


def told(room: Room) -> list[tuple[int, int]]:
    return [(one.second, one.adjudication) for one in stranded_at([room.site])]


@pytest.fixture
def room():
    return Room(second_share=1.0)


def test_with_a_second_reviewer_nothing_is_stranded(room):
    room.answer(room.one)

    assert FurtherRead.objects.filter(state=ReadState.WAITING).count() == 1
    assert told(room) == []


def test_a_second_read_is_stranded_once_only_its_first_reader_is_left(room):
    room.answer(room.one)
    leave(room.two, room.three)

    assert told(room) == [(1, 0)]


def test_a_reviewer_who_cannot_sign_in_gives_no_read(room):
    room.answer(room.one)
    leave(room.three)
    room.two.is_active = False
    room.two.save()

    assert told(room) == [(1, 0)]


def test_an_administrator_is_no_second_reader(room):
    room.answer(room.one)
    leave(room.two, room.three)
    UserFactory(role_at=(room.site, Role.ADMIN))

    assert told(room) == [(1, 0)]


def test_reviewers_of_other_sites_give_no_read(room):
    room.answer(room.one)
    leave(room.two, room.three)
    UserFactory(role_at=(SiteFactory(), Role.REVIEWER))

    assert told(room) == [(1, 0)]


def test_two_who_differ_need_a_third(room):
    room.answer(room.one, "present")
    room.answer(room.two, "absent")
    assert told(room) == []
    leave(room.three)

    assert told(room) == [(0, 1)]


def test_who_answered_the_study_already_does_not_decide_between_two(room):
    room.answer(room.one, "present")
    room.answer(room.two, "absent")
    FurtherRead.objects.filter(state=ReadState.WAITING).update(
        first=room.admin
    )  # whoever it was: not among the members
    leave(room.three)

    assert told(room) == [(0, 1)]


def test_a_newcomer_ends_it(room):
    room.answer(room.one)
    leave(room.two, room.three)
    UserFactory(role_at=(room.site, Role.REVIEWER))

    assert told(room) == []


def test_a_study_that_is_deleted_or_read_anew_waits_for_nobody(room):
    room.answer(room.one)
    leave(room.two, room.three)
    Study.objects.update(state=StudyState.PURGED)
    assert told(room) == []
    Study.objects.update(state=StudyState.REVIEWED, revision=2)

    assert told(room) == []


def test_administrators_see_it_on_their_lists_and_numbers_and_reviewers_do_not(room):
    room.answer(room.one)
    leave(room.two, room.three)
    seen = {}
    for name, user in (("admin", room.admin), ("reviewer", room.one)):
        client = Client()
        client.force_login(user)
        pages = [reverse("review:worklist"), reverse("review:to_read"), reverse("numbers:numbers", args=[room.site.pk])]
        seen[name] = ["data-stranded" in client.get(page).content.decode() for page in pages]

    assert seen == {"admin": [True, True, True], "reviewer": [False, False, False]}
    assert stranded_for(Veil(room.one)) == []


def test_the_figure_counts_them_by_stage(room):
    room.answer(room.one)
    leave(room.two, room.three)

    assert [(sample.labels, sample.value) for sample in reads()] == [(("second",), 1), (("adjudication",), 0)]
