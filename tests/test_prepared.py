"""Questions that are written once: they are answered as if they were asked for the first time."""

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from django.db import connection
from django.db.models import Exists, OuterRef
from django.utils import timezone

from screening.prepared import Prepared
from screening.studies.models import Study
from screening.users.models import Membership, Role, Site, User
from tests.factories import SiteFactory, StudyFactory, UserFactory

pytestmark = pytest.mark.django_db


def studies_of(keys):
    return Study.objects.filter(pk__in=keys).order_by("pk")


def test_lists_of_any_length_are_answered_as_by_the_question_itself():
    keys = sorted(study.pk for study in StudyFactory.create_batch(3))
    ask = Prepared(studies_of)

    found = {length: [study.pk for study in ask(keys[:length])] for length in (3, 1, 2, 3)}

    assert found == {length: keys[:length] for length in (1, 2, 3)}


def test_what_changed_since_is_told(django_assert_num_queries):
    study = StudyFactory(external_id="before")
    ask = Prepared(studies_of)
    assert [one.external_id for one in ask([study.pk])] == ["before"]
    Study.objects.filter(pk=study.pk).update(external_id="after")

    with django_assert_num_queries(1):
        told = [one.external_id for one in ask([study.pk])]

    assert told == ["after"]


def test_a_question_of_the_moment_at_which_it_was_first_asked_is_refused():
    ask = Prepared(lambda keys: Study.objects.filter(pk__in=keys, created_at__lt=timezone.now()))

    with pytest.raises(TypeError, match="time of its asking"):
        ask([uuid4()])


def test_the_sql_is_written_once_for_each_number_of_values():
    written = []
    ask = Prepared(lambda keys: written.append(len(keys)) or studies_of(keys))

    for length in (2, 2, 3, 2, 3):
        ask([uuid4() for _ in range(length)])

    assert written == [2, 2, 3, 3]  # twice each, to see that nothing changes by itself


def test_nothing_is_asked_of_no_keys(django_assert_num_queries):
    with django_assert_num_queries(0):
        assert Prepared(studies_of)([]) == []


def test_values_that_occur_several_times_and_columns_of_others_rows_are_put_in_their_places():
    mine, other = SiteFactory(name="mine"), SiteFactory(name="other")
    reader = UserFactory(role_at=(mine, Role.REVIEWER))
    UserFactory(role_at=(other, Role.REVIEWER))
    ask = Prepared(
        lambda site_ids, user_id: (
            Membership.objects.filter(site__in=site_ids)
            .annotate(is_mine=Exists(User.objects.filter(pk=user_id, memberships=OuterRef("pk"))))
            .exclude(user_id__lt=user_id)
            .select_related("site")
            .order_by("site__name")
        )
    )

    found = ask([other.pk, mine.pk], reader.pk)

    assert [(one.site.name, one.is_mine) for one in found] == [("mine", True), ("other", False)]


def test_columns_alone_come_as_they_do_without_it():
    site = SiteFactory(name="A")
    ask = Prepared(lambda keys: Site.objects.filter(pk__in=keys).values_list("pk", "created_at", "keep_unread"))

    assert ask([site.pk]) == [(site.pk, site.created_at, site.keep_unread)]


def test_a_value_that_the_sql_does_not_hold_is_refused():
    ask = Prepared(lambda user_id: Site.objects.filter(memberships__user_id=user_id + 1))

    with pytest.raises(TypeError, match="not a parameter"):
        ask(1)


@pytest.mark.django_db(transaction=True)
def test_another_thread_asks_through_its_own_connection():
    site = SiteFactory(name="before")
    ask = Prepared(lambda key: Site.objects.filter(pk=key).values_list("name", flat=True))
    assert ask(site.pk) == ["before"]

    def asked_apart():
        try:
            return ask(site.pk), connection.connection
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as threads:
        told, theirs = threads.submit(asked_apart).result()

    assert told == ["before"]
    assert theirs is not connection.connection
