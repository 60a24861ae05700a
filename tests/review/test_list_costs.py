"""What a page of a list costs, told in statements: a number that no busy machine moves."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from screening.review import shelves, trays
from screening.review.blinding import Veil
from screening.review.reading import Spot, lines_of
from screening.review.together import together
from screening.review.trays import Filters, Tray, in_tray, page, waiting
from screening.studies.models import Study
from screening.users.models import Role
from tests.factories import (
    ImageFactory,
    ModelVersionFactory,
    ScreeningFactory,
    SiteFactory,
    StudyFactory,
    UploadFactory,
    UserFactory,
)

pytestmark = pytest.mark.django_db
JOINED = connection.features.supports_slicing_ordering_in_compound  # questions of one shape are asked as one


@pytest.fixture
def reader():
    return UserFactory(username="reader", role_at=(SiteFactory(), Role.REVIEWER))


@pytest.fixture
def upload(reader):
    return UploadFactory(site=reader.memberships.get().site, finished=True)


def waiting_studies(upload, number):
    """So many studies of every kind, two of each complete at one moment, each with a picture and its outcome."""
    version = ModelVersionFactory()
    kinds = ({"flagged_ready": True}, {"incomplete": True}, {"ready": True})
    outcomes = ({"scored_flagged": True}, {"state": "inconclusive", "code": "not_chest"}, {"scored": True})
    for n in range(number):
        moment = upload.created_at - timedelta(days=1) + timedelta(minutes=n // 2)
        for kind, outcome in zip(kinds, outcomes, strict=True):
            image = ImageFactory(study=StudyFactory(upload=upload, completed_at=moment, **kind))
            ScreeningFactory(image=image, model_version=version, **outcome)


def asked(client, name):
    """How many statements a list takes, and how many studies it shows."""
    with CaptureQueriesContext(connection) as statements:
        answer = client.get(reverse(f"review:{name}"))
    return len(statements), len(answer.context["rows"])


@pytest.mark.parametrize(
    ("name", "joined", "apart"),
    [("worklist", 18, 19), ("not_assessed", 18, 19), ("not_flagged", 18, 19), ("to_read", 17, 24)],
)
def test_a_page_of_many_studies_takes_no_more_statements_than_one_of_a_single_study(
    client, reader, upload, name, joined, apart
):
    client.force_login(reader)
    waiting_studies(upload, 1)
    few, shown = asked(client, name)
    waiting_studies(upload, 30)

    many, all_shown = asked(client, name)

    assert (shown, all_shown) == (3 if name == "to_read" else 1, 25)
    assert few == many <= (joined if JOINED else apart)


def test_a_filter_by_model_takes_two_statements_more_and_no_other_filter_any(client, reader, upload):
    client.force_login(reader)
    waiting_studies(upload, 4)
    plain, _ = asked(client, "worklist")
    version = upload.studies.first().screenings.get().model_version
    costs = {}
    for query in ({"upload": upload.pk}, {"answered": "all"}, {"state": "ready"}, {"model": version.pk}):
        with CaptureQueriesContext(connection) as statements:
            client.get(reverse("review:worklist"), query)
        costs[next(iter(query))] = len(statements) - plain

    assert costs.pop("model") <= 2
    assert max(costs.values()) <= (0 if JOINED else 1)  # all states: one shelf more


def test_the_lines_of_what_is_to_be_read_are_asked_as_one_where_the_engine_can(reader, upload):
    waiting_studies(upload, 3)
    veil = Veil(reader)
    lines = lines_of(veil)

    with CaptureQueriesContext(connection) as statements:
        found = lines.page(Spot(timezone.now(), None, None, None))

    assert len(found.stops) == 9
    assert len(statements) == (3 if JOINED else 10)  # six shelves, three trays, and the scores


def test_questions_asked_together_are_answered_apart_and_in_their_order(upload):
    waiting_studies(upload, 2)
    by_kind = [Study.objects.filter(flagged=True), Study.objects.none(), Study.objects.filter(not_assessed=True)]

    answers = together([kind.order_by("-completed_at", "pk").values_list("pk", "flagged")[:1] for kind in by_kind])

    assert [len(rows) for rows in answers] == [1, 0, 1]
    assert [rows[0][1] for rows in answers if rows] == [True, False]


def test_how_long_studies_wait_is_the_mean_of_the_longest_over_all_shelves(reader, upload, monkeypatch):
    monkeypatch.setattr(trays, "COUNTED", 2)
    first = timezone.now().replace(microsecond=0) - timedelta(hours=5)
    for minutes, kind in ((10, "incomplete"), (0, "flagged_ready"), (90, "flagged_ready")):
        moment = first + timedelta(minutes=minutes)
        StudyFactory(upload=upload, flagged=True, completed_at=moment, **{kind: True})

    found = waiting(Veil(reader).reading, Tray.FLAGGED)

    assert found.counts == {"flagged": "2+", "not_assessed": "1", "not_flagged": "0"}
    assert found.first_only == 2
    assert abs(found.since - first) < timedelta(seconds=1)
    assert abs(found.mean_since - first - timedelta(minutes=5)) < timedelta(seconds=1)


def test_nothing_that_waits_has_waited(reader):
    found = waiting(Veil(reader).reading, Tray.FLAGGED)

    assert (set(found.counts.values()), found.since, found.mean_since, found.first_only) == ({"0"}, None, None, 0)


def test_pages_of_several_trays_are_the_pages_of_each(reader, upload):
    waiting_studies(upload, 5)
    alone = [page(in_tray(reader, Filters(tray=tray)), after=None, size=3) for tray in Tray]

    together_asked = shelves.pages([(in_tray(reader, Filters(tray=tray)), None) for tray in Tray], size=3)

    assert together_asked == alone
    assert [len(shown.places) for shown in alone] == [3, 3, 3]
