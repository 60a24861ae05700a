"""What the threshold page says of stored scores, and who meets which buttons."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from screening.numbers import history
from screening.numbers.history import by_day, history_of
from screening.numbers.models import PointProposal
from screening.numbers.threshold_page import Choice, trial_of
from screening.results.models import SeriesResult
from tests.factories import (
    ImageFactory,
    ModelVersionFactory,
    ScreeningFactory,
    SiteFactory,
    StudyFactory,
    UploadFactory,
)
from tests.numbers.acting import proposed

pytestmark = pytest.mark.django_db


def judged(site, version, *scores: float, days_ago: int = 0, modality: str = "xray"):
    """One study with a picture for each score."""
    study = StudyFactory(upload=UploadFactory(site=site, sealed=True), modality=modality)
    for score in scores:
        ScreeningFactory(
            image=ImageFactory(study=study),
            model_version=version,
            scored=True,
            scores={"covid": score, "normal": 1 - score},
            flagged=score >= 0.5,
            done_at=timezone.now() - timedelta(days=days_ago),
        )
    return study


def flags(site, version, other: float, days: int = 30) -> tuple[int, int, int]:
    told = by_day(history_of(site_id=site.pk, version=version, label="covid", days=days), present=0.5, other=other)
    return (sum(day.studies for day in told), sum(day.present for day in told), sum(day.other for day in told))


def page(user, site, **query: str):
    client = Client()
    client.force_login(user)
    return client.get(reverse("numbers:thresholds", args=[site.pk]), query).content.decode()


def test_studies_are_counted_once_by_their_highest_score(site, version):
    judged(site, version, 0.2, 0.45)
    judged(site, version, 0.9, 0.1)
    judged(site, version, 0.1)

    assert flags(site, version, 0.4) == (3, 1, 2)


def test_other_sites_other_versions_and_older_scores_do_not_count(site, version):
    judged(SiteFactory(), version, 0.9)
    judged(site, ModelVersionFactory(), 0.9)
    judged(site, version, 0.9, days_ago=31)
    judged(site, version, 0.9, days_ago=29)

    assert flags(site, version, 0.95) == (1, 1, 0)


def test_each_day_has_its_line_also_without_a_study(site, version):
    judged(site, version, 0.9, days_ago=2)
    judged(site, version, 0.4, days_ago=2)

    days = by_day(history_of(site_id=site.pk, version=version, label="covid", days=7), present=0.5, other=0.3)

    assert len(days) == 8
    assert [(day.studies, day.present, day.other) for day in days if day.studies] == [(2, 1, 2)]


def test_a_series_counts_by_its_own_score_and_not_by_a_slice(site):
    ct = ModelVersionFactory(modality="ct")
    study = judged(site, ct, 0.9, 0.1, 0.1, modality="ct")
    SeriesResult.objects.create(
        study=study, model_version=ct, pipeline="p", outcome="scored", slices=3, scores={"covid": 0.37}
    )

    assert flags(site, ct, 0.3) == (1, 0, 1)


def test_more_than_is_read_is_said_to_be_cut(site, version, monkeypatch):
    monkeypatch.setattr(history, "MOST", 2)
    for days_ago in (0, 1, 2, 3):
        judged(site, version, 0.9, days_ago=days_ago)

    told = history_of(site_id=site.pk, version=version, label="covid", days=30)

    assert (told.cut, len(told.judged)) == (True, 2)
    assert (timezone.now() - told.since).days == 1


def test_a_trial_reads_as_many_rows_however_often_it_is_asked_and_few_queries(
    site, version, ada, django_assert_max_num_queries
):
    for _ in range(5):
        judged(site, version, 0.4)
    client = Client()
    client.force_login(ada)

    with django_assert_max_num_queries(20):
        told = client.get(
            reverse("numbers:thresholds", args=[site.pk]),
            {"for": f"{version.pk}:covid", "value": "0.3", "days": "7"},
        ).content.decode()

    assert '<span class="stat-value" id="other-flags">5</span>' in told
    assert "not estimable yet" in told


def test_a_lone_administrator_is_told_that_a_colleague_is_needed(site, version, ada):
    assert "A colleague is needed." in page(ada, site)


def test_the_proposer_may_withdraw_and_the_colleague_may_approve(site, version, ada, bea):
    proposed(site, version, ada)

    own, others = page(ada, site), page(bea, site)

    assert "A colleague is needed." not in own
    assert "Withdraw" in own
    assert "Approve<" not in own
    assert "Another administrator decides." in own
    assert "Approve<" in others
    assert "too many missed" in others


def test_a_proposal_through_the_page_takes_the_reason_and_a_missing_one_is_refused_in_words(site, version, ada):
    client = Client()
    client.force_login(ada)
    address = reverse("numbers:propose", args=[site.pk])
    form = {"for": f"{version.pk}:covid", "value": "0.3", "days": "30"}

    refused = client.post(address, {**form, "reason": ""})
    taken = client.post(address, {**form, "reason": "two were missed"})

    assert (refused.status_code, taken.status_code) == (400, 302)
    assert "This field is required" in refused.content.decode()
    assert PointProposal.objects.get().reason == "two were missed"


def test_approving_ones_own_through_the_page_is_refused_in_words(site, version, ada):
    proposal = proposed(site, version, ada)
    client = Client()
    client.force_login(ada)

    answer = client.post(reverse("numbers:approve", args=[site.pk, proposal.pk]))

    assert answer.status_code == 403
    assert "second_person_needed" in answer.content.decode()


def per_day(site, version, days: int = 30) -> tuple[float, float]:
    trial = trial_of(site=site, choice=Choice(version, "covid"), value=0.95, days=days)
    return tuple(round(one, 2) for one in trial.per_day)


def test_flags_a_day_are_over_the_days_of_the_period_where_the_model_scored_before_it(site, version):
    judged(site, version, 0.9, days_ago=40)
    for days_ago in (1, 2, 3):
        judged(site, version, 0.9, days_ago=days_ago)

    assert per_day(site, version) == (0.1, 0.0)  # three in 30 days, not in the 31 dates that they touch
    assert per_day(site, version, days=7) == (0.43, 0.0)


def test_flags_a_day_are_over_the_days_since_the_first_score_where_that_came_later(site, version):
    for days_ago in (1, 2, 3, 3, 3, 3):
        judged(site, version, 0.9, days_ago=days_ago)

    assert per_day(site, version) == (2.0, 0.0)


def test_flags_of_less_than_a_day_are_told_as_those_of_one(site, version):
    for _ in range(4):
        judged(site, version, 0.9)

    assert per_day(site, version) == (4.0, 0.0)


def test_flags_a_day_are_over_what_was_read_where_it_was_cut(site, version, monkeypatch):
    monkeypatch.setattr(history, "MOST", 2)
    for days_ago in (1, 2, 3, 4):
        judged(site, version, 0.9, days_ago=days_ago)

    assert per_day(site, version) == (1.0, 0.0)
