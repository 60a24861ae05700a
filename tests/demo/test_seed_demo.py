"""A demo site: its rows add up, are the same for the same seed, and never come among what somebody sent."""

from itertools import islice

import pytest
from django.core.management import CommandError, call_command

from ml.vocabulary import NotAssessed
from screening.audit.models import AuditEvent
from screening.demo.drawn import draw
from screening.demo.services import BLOCK, refuse_real, seed_demo
from screening.errors import NotADemoSite
from screening.flows.integrity import find_violations
from screening.results.models import NOT_ASSESSED, ModelVersion, Screening
from screening.review.models import Answer, Review
from screening.studies.models import SiteChange, Study, StudyState
from screening.uploads.models import ItemState, Upload, UploadState
from screening.users.models import Membership, Role, Site
from tests.factories import UploadFactory, UserFactory

pytestmark = pytest.mark.django_db
SAID = ("pk", "state", "flagged", "not_assessed", "external_id", "completed_at", "reviewed_revision")


def seed(studies, *, name="Demo", number=0):
    return list(seed_demo(name=name, seed=number, studies=studies))


def said():
    return list(Study.objects.order_by("completed_at", "pk").values_list(*SAID))


def test_everything_adds_up_and_every_kind_of_outcome_occurs():
    call_command("seed_demo", "--studies", "2500")

    assert list(find_violations(blobs=False)) == []
    assert Study.objects.count() == 2500
    assert {study for study in StudyState if Study.objects.filter(state=study).exists()} == {
        StudyState.READY,
        StudyState.INCOMPLETE,
        StudyState.REVIEWED,
    }
    assert Study.objects.filter(flagged=True, not_assessed=True).exists()
    without = Screening.objects.filter(state__in=NOT_ASSESSED)
    assert set(NotAssessed) <= set(without.values_list("code", flat=True))
    assert set(NOT_ASSESSED) == set(without.values_list("state", flat=True))
    assert set(Answer) == set(Review.objects.values_list("answer", flat=True))
    assert {"accepted", "duplicate", "rejected", "not_sent"} == set(
        Upload.objects.get().items.values_list("state", flat=True)
    )


def test_numbers_of_changes_only_grow_and_none_is_beyond_the_sites():
    seed(1100)

    numbers = list(Study.objects.values_list("change_number", flat=True))
    assert min(numbers) == 1
    assert max(numbers) == SiteChange.objects.get().number


def test_a_run_that_was_stopped_goes_on_and_ends_where_a_whole_one_does():
    stopped = list(islice(seed_demo(name="Demo", seed=0, studies=1200), 2))
    state = Upload.objects.get().state

    seed(1200)

    assert stopped == [0, BLOCK]
    assert state == UploadState.SEALED
    assert [upload.state for upload in Upload.objects.all()] == [UploadState.FINISHED]
    assert {row[0] for row in said()} == {draw(0, "Demo", number).study for number in range(1200)}
    assert list(find_violations(blobs=False)) == []


def test_the_same_seed_draws_the_same_studies_and_another_draws_others():
    seed(300, name="One")
    one = {row[1:] for row in said()}

    with pytest.raises(NotADemoSite):
        seed(600, name="One", number=1)
    seed(300, name="Two", number=1)

    two = {row[1:] for row in Study.objects.filter(site__name="Two").values_list(*SAID)}
    assert one != two
    assert Study.objects.filter(site__name="One").count() == 300


def test_a_larger_number_adds_the_rest_and_a_smaller_one_nothing():
    seed(200)
    before = said()

    assert seed(100) == [200]
    assert said() == before
    seed(260)

    assert said()[:190] == before[:190]
    assert Study.objects.count() == 260
    assert list(find_violations(blobs=False)) == []


def test_a_site_that_holds_what_somebody_sent_is_refused_and_stays_as_it_is():
    upload = UploadFactory(site__name="Ward", finished=True, name="Demo from study 0", idempotency_key="demo:0:0")
    events = AuditEvent.objects.count()

    with pytest.raises(CommandError, match=r"\(not_a_demo_site\)"):
        call_command("seed_demo", "--studies", "10", "--site", "Ward")

    assert list(Upload.objects.all()) == [upload]
    assert (Study.objects.count(), AuditEvent.objects.count(), ModelVersion.objects.count()) == (0, events, 0)


def test_a_demo_site_to_which_somebody_sent_files_since_is_refused_too():
    seed(40)
    UploadFactory(site=Site.objects.get(), created_by=UserFactory())

    with pytest.raises(NotADemoSite):
        refuse_real("Demo", 0)


def test_an_administrator_who_is_there_keeps_the_demo_and_a_reviewer_is_made():
    admin = UserFactory(username="keeper")
    Membership.objects.create(user=admin, site=Site.objects.create(name="Ward"), role=Role.ADMIN)

    seed(10)

    held = Membership.objects.filter(site__name="Demo").order_by("role").values_list("role", "user__username")
    assert list(held) == [(Role.ADMIN, "keeper"), (Role.REVIEWER, "demo-reviewer")]


def test_demo_models_are_offered_to_nobody_and_say_what_they_are():
    seed(10)

    assert not ModelVersion.objects.active().exists()
    assert {"Demo scores, no model"} == set(ModelVersion.objects.values_list("title", flat=True))


@pytest.mark.parametrize(("studies", "seed_number"), [("0", "0"), ("5", "-1")])
def test_numbers_that_make_no_sense_are_refused(studies, seed_number):
    with pytest.raises(CommandError):
        call_command("seed_demo", "--studies", studies, "--seed", seed_number)

    assert not Site.objects.exists()


def test_files_that_were_refused_carry_their_reason():
    seed(200)

    assert not Upload.objects.get().items.filter(state=ItemState.REJECTED, code="").exists()
