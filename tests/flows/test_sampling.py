"""The random sample: drawn once, of what was not flagged, with the probability kept."""

import pytest
from django.db import transaction
from django.utils import timezone

from screening.audit.actor import Actor
from screening.audit.models import AuditEvent
from screening.flows.sampling import draw_samples
from screening.flows.settle import settle_studies
from screening.studies.models import Sample, Study, StudyState
from screening.users.models import Reads, Site
from tests.factories import ImageFactory, ScreeningFactory, SiteFactory, StudyFactory, UploadFactory

pytestmark = pytest.mark.django_db


def upload(**policy):
    return UploadFactory(site=SiteFactory(draw_key="k" * 64, **policy), sealed=True)


def settled(brought_by, **trait) -> Study:
    """A study whose last result has come, brought to its state."""
    study = StudyFactory(upload=brought_by)
    ScreeningFactory(image=ImageFactory(study=study), **(trait or {"scored": True}))
    settle_studies([study.pk])
    study.refresh_from_db()
    return study


def draws_of(study: Study) -> list[str]:
    chain = f"study:{study.pk}"
    return list(AuditEvent.objects.filter(chain=chain, action__contains="sample").values_list("action", flat=True))


def test_every_study_that_is_not_flagged_keeps_its_probability_drawn_or_not():
    here = upload(sample_share=0.5)

    studies = [settled(here) for _ in range(40)]

    rows = Sample.objects.all()
    assert {row.study_id for row in rows} == {study.pk for study in studies}
    assert {(row.probability, row.flagged, row.revision) for row in rows} == {(0.5, False, 1)}
    drawn = {row.study_id for row in rows if row.drawn}
    assert 5 < len(drawn) < 35
    for study in studies:
        assert draws_of(study) == ["study:sample_drawn" if study.pk in drawn else "study:sample_not_drawn"]


def test_a_draw_told_again_and_under_another_share_stays_as_it_was():
    study = settled(upload(sample_share=0.5))
    before = Sample.objects.values().get()
    Site.objects.update(sample_share=1.0)

    settle_studies([study.pk])
    with transaction.atomic():
        again = draw_samples([study], actor=Actor.service("settle"))

    assert again == []
    assert Sample.objects.values().get() == before
    assert len(draws_of(study)) == 1


def test_a_late_picture_draws_anew_and_what_was_drawn_stays_drawn():
    study = settled(upload(sample_share=0.5))
    first = Sample.objects.get()
    Study.objects.update(revision=2, state=StudyState.SCREENING)

    settle_studies([study.pk])

    second = Sample.objects.get(revision=2)
    assert (second.drawn, second.probability) == (first.drawn, first.probability)


@pytest.mark.parametrize(
    "trait",
    [{"scored_flagged": True}, {"state": "inconclusive", "code": "not_chest"}, {"state": "failed"}, {"leased": True}],
    ids=["flagged", "inconclusive", "failed", "on its way"],
)
def test_what_is_flagged_not_assessed_or_on_its_way_takes_no_part(trait):
    study = settled(upload(sample_share=1.0), **trait)

    assert not Sample.objects.exists()
    assert draws_of(study) == []


def test_a_site_that_samples_nothing_writes_nothing():
    study = settled(upload())

    assert study.state == StudyState.READY
    assert not Sample.objects.exists()


def test_flagged_studies_are_mixed_in_where_the_site_is_not_blinded():
    study = settled(upload(sample_share=0.1, mixed_share=1.0), scored_flagged=True)

    row = Sample.objects.get()
    assert (row.study_id, row.flagged, row.probability, row.drawn) == (study.pk, True, 1.0, True)


def test_a_blinded_site_that_reads_all_draws_every_study_with_certainty():
    study = settled(upload(blinded_since=timezone.now(), sample_share=0.1))

    row = Sample.objects.get()
    assert (row.study_id, row.flagged, row.probability, row.drawn) == (study.pk, False, 1.0, True)


def test_a_blinded_site_that_reads_a_sample_draws_with_its_share():
    settled(upload(blinded_since=timezone.now(), sample_share=0.1, reads=Reads.FLAGGED_AND_SAMPLE))

    assert Sample.objects.get().probability == 0.1
