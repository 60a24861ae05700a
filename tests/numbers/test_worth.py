"""What a flag was worth so far, beside it."""

from datetime import timedelta

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from screening.numbers.worth import worth_of_flags
from screening.results.models import Screening, SeriesResult
from screening.review.models import Cause, FurtherRead, ReadState, Stage
from screening.studies.models import Study
from screening.users.models import Role, Site
from tests.factories import ModelVersionFactory, SiteFactory, UserFactory
from tests.numbers.answering import Ward

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def nothing_remembered():
    cache.clear()


@pytest.fixture
def ward(site, version):
    return Ward(site, version)


@pytest.fixture
def flag(ward):
    """A flagged study whose answer counts, too: the first of the year."""
    return ward.answered(0.9, "present")


def asked(user, study, version):
    client = Client()
    client.force_login(user)
    return client.get(reverse("numbers:worth", args=[study.pk, version.pk]))


def a_year(ward):
    for place in range(29):
        ward.answered(0.6 + place / 100, "present" if place < 19 else "absent")


def test_beside_a_flag_stands_what_such_flags_were_worth(ward, flag, version, site):
    a_year(ward)

    told = asked(ward.reader, flag, version).text

    assert (
        f"Of 100 flags like this ({site.name}, {version.name}, operating point 0.5, last 12 months) readers marked "
        "the finding present in about 67 (95 % interval 49 to 81; 30 decided, 0 unsure)."
    ) in told
    assert "not proof of disease" in told


def test_below_thirty_it_is_not_yet_known(ward, flag, version):
    assert "not yet known (1 decided, 0 unsure)" in asked(ward.reader, flag, version).text


def test_it_is_told_at_the_point_that_applied_to_this_flag(ward, flag, version):
    a_year(ward)
    Screening.objects.filter(study=flag).update(thresholds={"covid": 0.4})

    told = asked(ward.reader, flag, version).text

    assert "operating point 0.4," in told
    assert "not yet known (1 decided" in told


def test_of_what_is_not_flagged_and_of_a_slice_nothing_is_told(ward, flag, version):
    plain = ward.answered(0.1, "absent")
    SeriesResult.objects.create(
        study=flag, model_version=version, outcome="scored", slices=9, scores={"covid": 0.3}, thresholds={"covid": 0.5}
    )

    assert "Of 100 flags" not in asked(ward.reader, plain, version).text
    assert "Of 100 flags" not in asked(ward.reader, flag, version).text


def a_blinded_site(site, flag):
    Site.objects.filter(pk=site.pk).update(blinded_since=timezone.now() - timedelta(days=9))


def a_sample_is_drawn(site, flag):
    Site.objects.filter(pk=site.pk).update(sample_share=0.1)


def a_second_read_waits(site, flag):
    FurtherRead.objects.create(
        site=site,
        study=flag,
        revision=1,
        stage=Stage.SECOND,
        cause=Cause.UNSURE,
        state=ReadState.WAITING,
        first=flag.reviews.get().reader,
    )


@pytest.mark.parametrize("hide", [a_blinded_site, a_sample_is_drawn, a_second_read_waits])
def test_who_is_blinded_is_told_nothing_not_even_after_their_own_answer(ward, flag, version, ada, hide):
    hide(ward.site, flag)

    answer = asked(ward.reader, flag, version)

    assert (answer.status_code, answer.content) == (204, b"")
    assert "Of 100 flags" in asked(ada, flag, version).text  # administrators are never blinded


def test_somebody_of_another_site_finds_nothing(flag, version):
    stranger = UserFactory(role_at=(SiteFactory(), Role.ADMIN))

    assert asked(stranger, flag, version).status_code == 404


def test_the_study_page_asks_for_it_beside_flags_alone(ward, flag, version):
    plain = ward.answered(0.1, "absent")
    client = Client()
    client.force_login(ward.reader)

    def page(study):
        return client.get(reverse("review:study", args=[study.pk])).text

    assert f'hx-get="{reverse("numbers:worth", args=[flag.pk, version.pk])}"' in page(flag)
    assert "data-worth" not in page(plain)


def test_once_it_is_known_two_questions_tell_it(ward, flag, version, django_assert_max_num_queries):
    a_year(ward)
    study = Study.objects.select_related("site").get(pk=flag.pk)
    [(label, first)] = worth_of_flags(study, version)

    with django_assert_max_num_queries(2):
        again = worth_of_flags(study, version)

    assert (label, again) == ("covid", [("covid", first)])


def test_a_model_that_does_not_flag_it_says_nothing(ward, flag):
    assert "Of 100 flags" not in asked(ward.reader, flag, ModelVersionFactory()).text
