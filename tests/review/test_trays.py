"""The readers' trays: what lies in them, in which order, and what they never show."""

from datetime import timedelta

import pytest
from django.urls import reverse

from ml.vocabulary import DISCLAIMER
from screening.results.models import ScreeningState, SeriesResult
from screening.review import trays
from screening.review.trays import Filters, Place, Tray, in_tray, page
from screening.studies.models import StudyState
from screening.users.models import Role
from tests.factories import (
    ImageFactory,
    ItemFactory,
    MembershipFactory,
    ModelVersionFactory,
    ScreeningFactory,
    SiteFactory,
    StudyFactory,
    UploadFactory,
    UserFactory,
)

pytestmark = pytest.mark.django_db


def complete_at(upload, minute=0):
    """A minute of the day before the upload: the same moment for all that a test makes of it."""
    return upload.created_at - timedelta(days=1) + timedelta(minutes=minute)


@pytest.fixture
def site():
    return SiteFactory(name="Here")


@pytest.fixture
def reader(site):
    return UserFactory(username="reader", role_at=(site, Role.REVIEWER))


@pytest.fixture
def upload(site):
    return UploadFactory(site=site, finished=True, name="covid positive cases")


@pytest.fixture
def version():
    return ModelVersionFactory(slug="xray-test")


def flagged(upload, version, *, minute=0, covid=0.9, **more):
    study = StudyFactory(upload=upload, flagged_ready=True, completed_at=complete_at(upload, minute), **more)
    ScreeningFactory(
        image=ImageFactory(study=study),
        model_version=version,
        scored_flagged=True,
        scores={"covid": covid, "normal": round(1 - covid, 3)},
    )
    return study


def not_assessed(upload, version, **more):
    study = StudyFactory(upload=upload, incomplete=True, **more)
    ScreeningFactory(
        image=ImageFactory(study=study), model_version=version, state=ScreeningState.INCONCLUSIVE, code="not_chest"
    )
    return study


def listed(client, name="worklist", **query):
    return [row.study for row in client.get(reverse(f"review:{name}"), query).context["rows"]]


def test_oldest_complete_study_comes_first_whatever_its_score(client, reader, upload, version):
    late = flagged(upload, version, minute=9, covid=0.99)
    early = flagged(upload, version, minute=1, covid=0.51)
    client.force_login(reader)

    assert listed(client) == [early, late]


def test_the_score_breaks_ties_and_nothing_else_does(client, reader, upload, version):
    low, high, middle = (flagged(upload, version, covid=covid) for covid in (0.55, 0.95, 0.75))
    client.force_login(reader)

    assert listed(client) == [high, middle, low]


def test_pages_show_every_study_once_also_where_many_were_complete_at_the_same_moment(reader, upload, version):
    made = {flagged(upload, version, minute=n // 7, covid=0.5 + n % 5 / 10).pk for n in range(40)}
    studies = in_tray(reader, Filters())
    seen, after = [], None

    for _ in range(6):
        shown = page(studies, after=after, size=8)
        seen += [place.study for place in shown.places]
        after = shown.following
        if after is None:
            break

    assert len(seen) == 40
    assert set(seen) == made


def test_an_answer_given_meanwhile_skips_nothing_on_the_next_page(reader, upload, version):
    studies = [flagged(upload, version, minute=n) for n in range(6)]
    first = page(in_tray(reader, Filters()), after=None, size=3)
    studies[0].state = StudyState.REVIEWED
    studies[0].save()

    second = page(in_tray(reader, Filters()), after=first.following, size=3)

    assert [place.study for place in second.places] == [study.pk for study in studies[3:]]


@pytest.mark.parametrize("text", ["", "x", "a~b~c", "2026-01-01~0.5~zz", "2026-01-01T00:00:00~1~2"])
def test_a_malformed_place_is_the_beginning_of_the_list(text):
    assert Place.parse(text) is None


def test_a_place_reads_back_exactly_as_it_was_written(reader, upload, version):
    place = page(in_tray(reader, Filters()), after=None).following or Place(complete_at(upload), 0.1 + 0.2, upload.pk)

    assert Place.parse(str(place)) == place


def test_a_study_not_assessed_lies_in_its_own_tray_and_never_looks_clear(client, reader, upload, version):
    study = not_assessed(upload, version)
    client.force_login(reader)

    assert listed(client, "not_assessed") == [study]
    assert listed(client, "worklist") == listed(client, "not_flagged") == []
    said = client.get(reverse("review:not_assessed")).text
    assert "it does not look like a chest radiograph" in said
    assert "badge-not-assessed" in said
    assert "badge-not-flagged" not in said


def test_a_flagged_study_with_a_picture_not_assessed_lies_in_both_trays(client, reader, upload, version):
    study = flagged(upload, version, not_assessed=True)
    client.force_login(reader)

    assert listed(client, "worklist") == listed(client, "not_assessed") == [study]


def test_a_study_still_being_screened_lies_in_no_tray(client, reader, upload):
    StudyFactory(upload=upload, flagged=True)
    StudyFactory(upload=upload)
    client.force_login(reader)

    assert [listed(client, name) for name in ("worklist", "not_assessed", "not_flagged")] == [[], [], []]


def test_filters_by_upload_model_state_and_answer_leave_what_fits(client, reader, site, upload, version):
    other = ModelVersionFactory(slug="other")
    one = flagged(upload, version)
    two = flagged(UploadFactory(site=site, finished=True), other, minute=1)
    done = flagged(upload, version, minute=2)
    done.state = StudyState.REVIEWED
    done.save()
    client.force_login(reader)

    assert listed(client, upload=upload.pk) == [one]
    assert listed(client, model=other.pk) == [two]
    assert listed(client, answered="answered") == [done]
    assert listed(client, answered="all") == [one, two, done]
    assert listed(client, answered="all", state="reviewed") == [done]
    assert listed(client, upload="nonsense", model="nonsense", state="nonsense") == [one, two]


def test_the_longest_wait_is_said(client, reader, upload, version):
    flagged(upload, version, minute=0)
    client.force_login(reader)

    assert "The longest has waited 1\xa0day." in client.get(reverse("review:worklist")).text


def test_readers_of_another_site_see_nothing_of_this_one(client, upload, version):
    flagged(upload, version)
    client.force_login(UserFactory(role_at=(SiteFactory(), Role.REVIEWER)))

    assert listed(client) == []


@pytest.mark.parametrize("role", [Role.STAFF, Role.INTEGRATOR])
@pytest.mark.parametrize("name", ["worklist", "not_assessed", "not_flagged"])
def test_the_trays_do_not_exist_for_those_who_do_not_read(client, site, role, name):
    client.force_login(UserFactory(role_at=(site, role)))

    assert client.get(reverse(f"review:{name}")).status_code == 404


def test_no_reader_page_names_a_path_or_the_upload_that_may_hold_the_label(client, reader, upload, version):
    study = flagged(upload, version)
    ItemFactory(upload=upload, path="covid positive cases/doe.png", accepted=True, study_id=study.pk)
    client.force_login(reader)

    for address in (reverse("review:worklist"), reverse("review:study", args=[study.pk])):
        said = client.get(address).text
        assert "covid positive cases" not in said
        assert "doe.png" not in said
        assert DISCLAIMER in said


def test_a_model_that_saw_many_studies_is_filtered_by_as_one_that_saw_few(
    client, reader, site, upload, version, monkeypatch
):
    one, other = flagged(upload, version), ModelVersionFactory(slug="xray-other")
    two, plain = flagged(upload, other, minute=1), StudyFactory(upload=upload, ready=True)
    ScreeningFactory(image=ImageFactory(study=plain), model_version=other, scored=True)
    series = flagged(upload, other, minute=2)
    series.screenings.update(flagged=False)
    SeriesResult.objects.create(study=series, model_version=other, outcome="scored", slices=3, flagged=True)
    client.force_login(reader)
    few = [listed(client, model=other.pk), listed(client, "not_flagged", model=other.pk)]

    monkeypatch.setattr(trays, "FEW", 0)

    assert few == [listed(client, model=other.pk), listed(client, "not_flagged", model=other.pk)]
    assert few == [[two, series], [plain]]
    assert listed(client, model=version.pk) == [one]


def test_a_reader_of_two_sites_works_through_both_in_one_order(reader, upload, version):
    elsewhere = UploadFactory(finished=True)
    MembershipFactory(user=reader, site=elsewhere.site, role=Role.REVIEWER)
    made = [flagged((upload, elsewhere)[minute % 2], version, minute=minute).pk for minute in range(6)]

    first = page(in_tray(reader, Filters()), after=None, size=4)
    second = page(in_tray(reader, Filters()), after=first.following, size=4)

    assert [place.study for place in (*first.places, *second.places)] == made


def test_trays_are_counted_exactly_up_to_a_bound_and_said_to_hold_more_beyond(
    client, reader, upload, version, monkeypatch
):
    monkeypatch.setattr(trays, "COUNTED", 2)
    client.force_login(reader)
    for minute in range(2):
        flagged(upload, version, minute=minute)
    exact = client.get(reverse("review:worklist")).context["waiting"].counts

    flagged(upload, version, minute=3)

    page_of_three = client.get(reverse("review:worklist"))
    assert exact == {"flagged": "2", "not_assessed": "0", "not_flagged": "0"}
    assert page_of_three.context["waiting"].counts["flagged"] == "2+"
    assert '<span class="count">2+</span>' in page_of_three.text


def test_every_tray_uses_the_words_and_never_a_forbidden_one(client, reader, upload, version):
    flagged(upload, version)
    not_assessed(upload, version)
    client.force_login(reader)

    for tray in Tray:
        name = "worklist" if tray == Tray.FLAGGED else tray.value
        said = client.get(reverse(f"review:{name}")).text.lower()
        assert not [word for word in ("negative", "probability", ">clear<", ">normal<") if word in said]
