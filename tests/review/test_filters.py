"""Filters and sort of a tray: what they leave, how far they look, and that an address brings them back."""

import pytest
from django.urls import reverse

from screening.audit.actor import Actor
from screening.results.models import SeriesResult
from screening.review import narrowing
from screening.review.services import AnswerIn, record_review
from screening.users.models import Role
from tests.factories import (
    ImageFactory,
    MembershipFactory,
    ModelVersionFactory,
    ScreeningFactory,
    SiteFactory,
    StudyFactory,
    UploadFactory,
)
from tests.review.test_claims import Desk, ago

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk():
    return Desk()


@pytest.fixture
def version():
    return ModelVersionFactory(slug="two", labels=["covid", "pneumonia"], flag_labels=["covid", "pneumonia"])


def flagged(desk, version, hours, *, upload=None, modality="xray", **scores):
    study = StudyFactory(
        upload=upload or desk.upload,
        flagged_ready=True,
        modality=modality,
        completed_at=ago(hours),
    )
    ScreeningFactory(
        image=ImageFactory(study=study),
        model_version=version,
        scored_flagged=True,
        scores={"covid": 0.1, "pneumonia": 0.1} | scores,
        thresholds={"covid": 0.5, "pneumonia": 0.5},
    )
    return study


def listed(client, tray="worklist", **query):
    page = client.get(reverse(f"review:{tray}"), query)
    return [row.study for row in page.context["rows"]], page


def test_modality_finding_and_score_leave_what_they_name(client, desk, version):
    covid = flagged(desk, version, 4, covid=0.9)
    pneumonia = flagged(desk, version, 3, pneumonia=0.7)
    series = flagged(desk, version, 2, modality="ct", covid=0.8)
    SeriesResult.objects.create(
        study=series, model_version=version, pipeline="plane-1", outcome="scored", slices=9,
        scores={"covid": 0.2, "pneumonia": 0.8}, thresholds={"covid": 0.5, "pneumonia": 0.5}, flagged=True,
    )  # fmt: skip
    client.force_login(desk.one)

    assert listed(client, modality="ct")[0] == [series]
    assert listed(client, finding="covid")[0] == [covid]
    assert listed(client, finding="pneumonia")[0] == [pneumonia, series]  # a series answers as a whole
    assert listed(client, score_from="0.75", score_to="0.85")[0] == [series]
    assert listed(client, modality="xray", finding="pneumonia", score_from="0.5")[0] == [pneumonia]


def test_site_age_and_reviewer_leave_what_they_name(client, desk, version):
    elsewhere = SiteFactory()
    MembershipFactory(user=desk.one, site=elsewhere, role=Role.REVIEWER)
    there = flagged(desk, version, 30, upload=UploadFactory(site=elsewhere, finished=True), covid=0.9)
    old, fresh = flagged(desk, version, 26, covid=0.9), flagged(desk, version, 0.5, covid=0.9)
    client.force_login(desk.one)
    assert listed(client, site=desk.site.pk)[0] == [old, fresh]
    assert listed(client, age="24")[0] == [there, old]

    answers = {"covid": AnswerIn(answer="absent"), "pneumonia": AnswerIn(answer="absent")}
    record_review(study_id=old.pk, reader=desk.two, answers=answers, comment="", actor=Actor.user(desk.two))

    assert listed(client, answered="answered", reviewer=desk.two.pk)[0] == [old]
    assert listed(client, answered="answered", reviewer=desk.one.pk)[0] == []


def test_the_latest_first_is_the_same_list_backwards_page_by_page(client, desk, version):
    made = [flagged(desk, version, 1 + n // 3, covid=0.5 + n / 100) for n in range(30)]
    client.force_login(desk.one)

    def both_pages(**query):
        first, page = listed(client, **query)
        second = client.get(f"{reverse('review:worklist')}?{page.context['next_query']}").context["rows"]
        return first + [row.study for row in second]

    assert len(both_pages()) == len(made)
    assert both_pages(newest="on") == both_pages()[::-1]


def test_a_rare_kind_is_looked_for_no_further_than_a_page_is_worth_and_the_next_goes_on(
    client, desk, version, monkeypatch
):
    monkeypatch.setattr(narrowing, "STEP", 4)
    monkeypatch.setattr(narrowing, "LOOKED", 8)
    for n in range(18):
        flagged(desk, version, 90 - n, covid=0.9)
    rare = flagged(desk, version, 1, modality="ct", covid=0.9)
    client.force_login(desk.one)
    address, seen, pages = f"{reverse('review:worklist')}?modality=ct", [], 0

    while address:
        page = client.get(address)
        seen += [row.study for row in page.context["rows"]]
        pages += 1
        following = page.context["next_query"]
        assert bool(following) == ("Go on looking" in page.text)
        address = f"{reverse('review:worklist')}?{following}" if following else ""

    assert (seen, pages) == ([rare], 3)


def test_the_next_study_stays_within_the_filters_and_an_address_brings_them_back(client, desk, version):
    first, _, third = (flagged(desk, version, 9 - n, covid=0.9 - n % 2 / 5) for n in range(3))
    client.force_login(desk.one)

    _, page = listed(client, score_from="0.8", newest="on")
    study = client.get(reverse("review:study", args=[third.pk]) + f"?{page.context['list_query']}")

    assert study.context["next_url"].startswith(reverse("review:study", args=[first.pk]))
    assert "score_from=0.8" in study.context["list_url"]
    assert "newest=on" in study.context["list_url"]


@pytest.mark.parametrize("query", [{"score_from": "much"}, {"age": "9"}, {"reviewer": "-1"}, {"site": "here"}])
def test_a_filter_that_makes_no_sense_is_left_out(client, desk, version, query):
    study = flagged(desk, version, 1, covid=0.9)
    client.force_login(desk.one)

    assert listed(client, **query)[0] == [study]


def test_the_score_is_that_of_the_chosen_model_and_of_the_chosen_finding(client, desk, version):
    study = flagged(desk, version, 4, covid=0.9, pneumonia=0.6)
    other = ModelVersionFactory(slug="other")
    ScreeningFactory(
        image=study.images.get(), model_version=other, scored=True, scores={"covid": 0.3}, thresholds={"covid": 0.5}
    )
    client.force_login(desk.one)

    assert listed(client, score_from="0.8")[0] == [study]
    assert listed(client, score_from="0.8", finding="pneumonia")[0] == []
    assert listed(client, score_from="0.5", score_to="0.7", finding="pneumonia")[0] == [study]
    study.screenings.filter(model_version=other).update(flagged=True, scores={"covid": 0.55})
    assert listed(client, score_from="0.8", model=other.pk)[0] == []
    assert listed(client, score_to="0.6", model=other.pk)[0] == [study]
    assert listed(client, finding="pneumonia", model=other.pk)[0] == []


def test_a_series_is_filtered_by_its_own_score_and_not_by_its_highest_slice(client, desk, version):
    series = flagged(desk, version, 2, modality="ct", covid=0.99)
    SeriesResult.objects.create(
        study=series, model_version=version, pipeline="plane-1", outcome="scored", slices=9,
        scores={"covid": 0.8, "pneumonia": 0.1}, thresholds={"covid": 0.5, "pneumonia": 0.5}, flagged=True,
    )  # fmt: skip
    client.force_login(desk.one)

    assert listed(client, score_from="0.75", score_to="0.85")[0] == [series]
    assert listed(client, score_from="0.9")[0] == []


def test_a_study_without_a_score_lies_within_no_limits(client, desk, version):
    study = StudyFactory(upload=desk.upload, incomplete=True)
    ScreeningFactory(image=ImageFactory(study=study), model_version=version, state="inconclusive", code="not_chest")
    client.force_login(desk.one)

    assert listed(client, "not_assessed")[0] == [study]
    assert listed(client, "not_assessed", score_to="0.5")[0] == []


def test_a_state_or_a_reader_alone_widens_the_list_to_what_is_answered(client, desk, version):
    answered, waiting = (flagged(desk, version, hours, covid=0.9) for hours in (3, 2))
    answers = {"covid": AnswerIn(answer="absent"), "pneumonia": AnswerIn(answer="absent")}
    record_review(study_id=answered.pk, reader=desk.two, answers=answers, comment="", actor=Actor.user(desk.two))
    client.force_login(desk.one)

    rows, page = listed(client, state="reviewed")

    assert rows == [answered]
    assert page.context["filters"].answered == "all"
    assert listed(client, reviewer=desk.two.pk)[0] == [answered]
    assert listed(client, state="ready", answered="answered")[0] == [waiting]
    assert listed(client)[0] == [waiting]
