"""The list "to read": one order over all trays of a reader's sites, page by page."""

from datetime import timedelta
from urllib.parse import parse_qs

import pytest
from django.urls import reverse
from django.utils import timezone

from screening.audit.models import AuditEvent
from screening.review.blinding import Veil
from screening.review.reading import Spot, lines_of
from screening.studies.models import Sample
from screening.users.models import Reads, Role, Site
from tests.factories import (
    ImageFactory,
    MembershipFactory,
    ScreeningFactory,
    SiteFactory,
    StudyFactory,
    UploadFactory,
    UserFactory,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def site():
    return SiteFactory(name="Here", flagged_hours=2, rest_hours=10)


@pytest.fixture
def reader(site):
    return UserFactory(username="reader", role_at=(site, Role.REVIEWER))


@pytest.fixture
def upload(site):
    return UploadFactory(site=site, finished=True)


def complete(upload, hours, **kind):
    """A study that was complete so many hours ago."""
    kind = kind or {"ready": True}
    study = StudyFactory(upload=upload, completed_at=timezone.now() - timedelta(hours=hours), **kind)
    ScreeningFactory(image=ImageFactory(study=study), scored=True)
    return study


def listed(client, query=""):
    page = client.get(f"{reverse('review:to_read')}?{query}")
    return [row.study for row in page.context["rows"]], page.context["next_query"]


def test_flagged_and_not_assessed_come_first_and_overdue_studies_of_the_rest_take_turns(client, reader, upload):
    fresh, late, later = (complete(upload, hours) for hours in (1, 20, 15))
    flagged = complete(upload, 3, flagged_ready=True)
    unseen = complete(upload, 4, incomplete=True)
    both = complete(upload, 1, incomplete=True, flagged=True)
    client.force_login(reader)

    found, _ = listed(client)

    assert found == [unseen, late, flagged, later, both, fresh]


def test_pages_go_on_where_the_last_one_ended_in_both_lines_and_in_turns(client, reader, upload):
    made = [complete(upload, 30 - n / 10) for n in range(40)] + [complete(upload, 1 + n / 100) for n in range(5)]
    made += [complete(upload, 2 + n / 20, flagged_ready=True) for n in range(30)]
    client.force_login(reader)
    whole = [
        stop.place.study for stop in lines_of(Veil(reader)).page(Spot(timezone.now(), None, None, None), 100).stops
    ]

    seen, query = listed(client)
    while query:
        more, query = listed(client, query)
        seen += more

    assert [study.pk for study in seen] == whole
    assert {study.pk for study in made} == set(whole)
    assert len(whole) == 75


def test_a_study_of_a_site_with_a_shorter_limit_comes_before_an_older_one(client, reader, upload):
    patient = complete(upload, 5, flagged_ready=True)
    hasty_site = SiteFactory(flagged_hours=1, rest_hours=1)
    MembershipFactory(user=reader, site=hasty_site, role=Role.REVIEWER)
    hasty = complete(UploadFactory(site=hasty_site, finished=True), 4.5, flagged_ready=True)
    client.force_login(reader)

    assert listed(client)[0] == [hasty, patient]
    assert [row.study for row in client.get(reverse("review:worklist")).context["rows"]] == [hasty, patient]


def test_where_a_site_samples_what_is_not_flagged_the_rest_is_not_to_be_read_and_the_pages_say_so(
    client, reader, site, upload
):
    complete(upload, 20)
    flagged = complete(upload, 1, flagged_ready=True)
    Site.objects.filter(pk=site.pk).update(reads=Reads.FLAGGED_AND_SAMPLE)
    client.force_login(reader)

    assert listed(client)[0] == [flagged]
    assert "only a random sample of it is read, in a list of its own" in client.get(reverse("review:to_read")).text
    assert "only a random sample of it is read, in a list of its own" in client.get(reverse("review:not_flagged")).text


def test_the_page_tells_due_times_and_what_is_overdue_and_the_mean_and_longest_wait(client, reader, upload):
    complete(upload, 0.5, flagged_ready=True)
    complete(upload, 3.5, flagged_ready=True)
    client.force_login(reader)

    said = " ".join(client.get(reverse("review:to_read")).text.replace("\xa0", " ").split())

    assert "overdue" in said
    assert "for 1 hour, 30 minutes" in said
    assert "The longest has waited 3 hours, 30 minutes." in said
    assert "On average: 2 hours." in said


def test_what_is_to_be_answered_blindly_stands_in_no_line(client, reader, site, upload):
    drawn, open_one = complete(upload, 3), complete(upload, 2)
    Sample.objects.create(site=site, study=drawn, revision=1, flagged=False, probability=0.1, drawn=True)
    Site.objects.filter(pk=site.pk).update(sample_share=0.1)
    client.force_login(reader)
    assert listed(client)[0] == [open_one]
    MembershipFactory(user=reader, site=SiteFactory(), role=Role.REVIEWER)  # whose list remains

    Site.objects.filter(pk=site.pk).update(blinded_since=timezone.now() - timedelta(days=9))

    assert listed(client)[0] == []


@pytest.mark.parametrize("text", ["", "x", "2026-01-01_u__", "_____", "2026-01-01T00:00:00+00:00_nothing__"])
def test_a_malformed_spot_is_the_beginning_of_the_list(text):
    assert Spot.parse(text) is None


def test_a_spot_reads_back_exactly_as_it_was_written(client, reader, upload):
    for n in range(30):
        complete(upload, n / 7, flagged_ready=n % 2 == 0, ready=n % 2 == 1)
    client.force_login(reader)

    [written] = parse_qs(listed(client)[1])["after"]

    assert str(Spot.parse(written)) == written


def test_the_limits_are_stored_by_an_administrator_with_an_event_and_hold_for_what_waits(client, site, upload):
    study = complete(upload, 3, flagged_ready=True)
    admin = UserFactory(role_at=(site, Role.ADMIN))
    client.force_login(admin)

    client.post(reverse("site_limits", args=[site.pk]), {"flagged_hours": "6", "rest_hours": "72", "reads": "read_all"})

    [row] = client.get(reverse("review:to_read")).context["rows"]
    assert (row.study, row.is_overdue, row.due) == (study, False, study.completed_at + timedelta(hours=6))
    event = AuditEvent.objects.get(action="site:policy_changed")
    assert event.detail == {"flagged_hours": 6, "rest_hours": 72}


@pytest.mark.parametrize(
    "given",
    [
        {"flagged_hours": "9", "rest_hours": "8", "reads": "read_all"},
        {"flagged_hours": "0", "rest_hours": "8", "reads": "read_all"},
        {"flagged_hours": "1", "rest_hours": "8", "reads": "nothing"},
    ],
)
def test_limits_that_make_no_sense_are_refused_with_words_and_nothing_changes(client, site, given):
    client.force_login(UserFactory(role_at=(site, Role.ADMIN)))

    page = client.post(reverse("site_limits", args=[site.pk]), given)

    assert page.status_code == 400
    assert "field-error" in page.text
    site.refresh_from_db()
    assert (site.flagged_hours, site.rest_hours, site.reads) == (2, 10, "read_all")
    assert not AuditEvent.objects.exists()
