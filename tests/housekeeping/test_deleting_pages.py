"""The pages of retention and of deleting one study: seen first, typed, and on the audit."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from screening.audit.models import AuditEvent
from screening.review.claims import claim_study
from screening.studies.models import StudyState
from screening.users.models import Role
from tests.factories import ImageFactory, StudyFactory, UploadFactory, UserFactory

pytestmark = pytest.mark.django_db


def of(user) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def study(site):
    done = timezone.now() - timedelta(days=400)
    found = StudyFactory(upload=UploadFactory(site=site, finished=True), state=StudyState.REVIEWED, completed_at=done)
    ImageFactory(study=found)
    return found


def test_trying_a_policy_says_what_would_go_and_stores_nothing(site, ada, study):
    answer = of(ada).get(reverse("housekeeping:retention", args=[site.pk]), {"study_days": "365", "failed_days": "3"})

    assert answer.context["told"].going == 1
    site.refresh_from_db()
    assert (site.study_days, site.failed_days) == (None, 7)


def test_a_policy_is_stored_once_the_name_of_the_site_was_typed(site, ada, study):
    client, address = of(ada), reverse("housekeeping:retention", args=[site.pk])
    policy = {"study_days": "365", "failed_days": "3", "keep_unread": "on"}

    refused = client.post(address, policy | {"name": "Ward 4"})
    site.refresh_from_db()
    assert (refused.status_code, site.study_days) == (400, None)
    stored = client.post(address, policy | {"name": "Ward 3"})

    site.refresh_from_db()
    assert (stored.status_code, site.study_days, site.failed_days, site.keep_unread) == (302, 365, 3, True)
    event = AuditEvent.objects.get(action="site:policy_changed")
    assert event.detail == {"study_days": 365, "failed_days": 3}
    assert client.get(address).context["told"].going == 1


def test_switching_it_off_asks_for_no_name(site, ada):
    site.study_days = 30
    site.save()

    of(ada).post(reverse("housekeeping:retention", args=[site.pk]), {"study_days": "", "failed_days": "7"})

    site.refresh_from_db()
    assert site.study_days is None


@pytest.mark.parametrize("days", ["0", "-3", "soon", "99999"])
def test_days_that_cannot_be_are_refused(site, ada, days):
    answer = of(ada).post(
        reverse("housekeeping:retention", args=[site.pk]), {"study_days": days, "failed_days": "7", "name": site.name}
    )

    site.refresh_from_db()
    assert (answer.status_code, site.study_days) == (400, None)


def test_a_study_is_deleted_once_its_short_name_was_typed(site, study):
    sam = UserFactory(role_at=(site, Role.STAFF))
    client, address = of(sam), reverse("housekeeping:study_delete", args=[study.pk])

    refused = client.post(address, {"short": "12345678"})
    study.refresh_from_db()
    assert (refused.status_code, study.state) == (400, StudyState.REVIEWED)
    done = client.post(address, {"short": str(study.pk)[:8].upper()})

    study.refresh_from_db()
    assert (done.status_code, study.state) == (302, StudyState.PURGED)
    assert AuditEvent.objects.get(action="study:deleted").actor == f"user:{sam.pk}"
    assert client.get(address).status_code == 404


def test_whoever_deletes_is_told_that_somebody_reads_it(site, ada, study):
    claim_study(study_id=study.pk, reader=UserFactory(role_at=(site, Role.REVIEWER)))

    assert "open just now" in of(ada).get(reverse("housekeeping:study_delete", args=[study.pk])).content.decode()


def test_the_study_page_offers_it_to_staff_and_not_to_reviewers(site, study):
    address = reverse("housekeeping:study_delete", args=[study.pk])
    pages = {
        role: of(UserFactory(role_at=(site, role))).get(reverse("review:study", args=[study.pk])).content.decode()
        for role in (Role.STAFF, Role.REVIEWER, Role.INTEGRATOR)
    }

    assert {role: address in page for role, page in pages.items()} == {
        Role.STAFF: True,
        Role.REVIEWER: False,
        Role.INTEGRATOR: False,
    }
