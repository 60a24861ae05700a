"""What is told is written with what happened, or not at all."""

import pytest
from django.db import transaction

from screening.audit.actor import Actor
from screening.flows.acts import seal_upload
from screening.flows.settle import settle_studies, settle_upload
from screening.hooks.endpoints import remove_endpoint
from screening.outbox.models import CHOSEN_KINDS, Delivery, Endpoint, EventKind, Letter, MailWish
from screening.review.findings import findings_of
from screening.review.services import AnswerIn, record_review
from screening.studies.models import Study
from screening.uploads.models import Upload, UploadState
from tests.factories import (
    ImageFactory,
    ItemFactory,
    ModelVersionFactory,
    ScreeningFactory,
    StudyFactory,
    UploadFactory,
    UserFactory,
)

pytestmark = pytest.mark.django_db


def screened_study(site) -> Study:
    """A study whose last picture was scored, not judged yet."""
    study = StudyFactory(upload=UploadFactory(site=site, sealed=True))
    ItemFactory(upload=study.upload, accepted=True, study_id=study.pk)
    ScreeningFactory(image=ImageFactory(study=study), model_version=ModelVersionFactory(), scored_flagged=True)
    return study


def told(endpoint) -> list[tuple]:
    rows = Delivery.objects.filter(endpoint=endpoint).order_by("kind", "rank")
    return [(row.kind, row.subject, row.subject_state, row.change_number) for row in rows]


def test_a_study_that_becomes_ready_is_told_with_its_state_and_change_number(endpoint, site):
    study = screened_study(site)

    settle_studies([study.pk])

    number = Study.objects.get(pk=study.pk).change_number
    assert number > 0
    assert told(endpoint) == [
        ("study.changed", study.pk, "ready", number),
        ("study.ready", study.pk, "ready", number),
    ]


def test_an_answer_is_told_as_reviewed_and_a_second_one_as_a_change(endpoint, site):
    study = screened_study(site)
    settle_studies([study.pk])
    Delivery.objects.all().delete()
    for name in ("one", "two"):
        reader = UserFactory(username=name)
        answers = {one.slug: AnswerIn(answer="present") for one in findings_of(study)}
        record_review(study_id=study.pk, reader=reader, answers=answers, comment="", actor=Actor.user(reader))

    kinds = [row[0] for row in told(endpoint)]

    assert sorted(kinds) == ["study.changed", "study.changed", "study.reviewed"]
    assert {row[2] for row in told(endpoint)} == {"reviewed"}


def test_an_upload_is_told_once_it_is_finished(endpoint, site):
    study = screened_study(site)

    settle_upload(study.upload_id)

    assert Upload.objects.get(pk=study.upload_id).state == UploadState.FINISHED
    assert ("upload.finished", study.upload_id, "finished", 0) in told(endpoint)


def test_what_is_rolled_back_is_told_to_nobody(endpoint, site):
    study = screened_study(site)
    with transaction.atomic():
        settle_studies([study.pk])
        assert Delivery.objects.count() == 2
        transaction.set_rollback(True)

    assert Delivery.objects.count() == 0
    assert Study.objects.get(pk=study.pk).state == "screening"


@pytest.mark.parametrize("kind", CHOSEN_KINDS)
def test_an_endpoint_is_told_what_it_chose_alone(kind, endpoint, site):
    Endpoint.objects.update(kinds=[kind])
    study = screened_study(site)
    settle_upload(study.upload_id)
    settle_studies([study.pk])

    kinds = {row[0] for row in told(endpoint)}

    assert kinds == ({kind.value} if kind != EventKind.STUDY_REVIEWED else set())


def test_other_sites_and_endpoints_that_are_off_are_told_nothing(endpoint, site, admin):
    other = screened_study(UploadFactory().site)
    settle_studies([other.pk])
    assert told(endpoint) == []

    remove_endpoint(endpoint_id=endpoint.pk, actor=Actor.user(admin))
    study = screened_study(site)
    settle_studies([study.pk])

    assert Delivery.objects.count() == 0


def test_without_an_endpoint_a_change_costs_two_questions_more_and_writes_nothing(site, django_assert_max_num_queries):
    study = screened_study(site)
    with django_assert_max_num_queries(60) as asked:
        settle_studies([study.pk])

    about = [one["sql"] for one in asked.captured_queries if "outbox_" in one["sql"]]
    assert len(about) == 2
    assert all(one.startswith("SELECT") for one in about)


@pytest.mark.parametrize(
    ("wish", "letters"),
    [({}, 1), ({"uploads": False}, 0), ({"confirmed_at": None}, 0), (None, 0)],
    ids=["wanted", "not wanted", "not confirmed", "never asked"],
)
def test_the_uploader_is_written_to_where_that_was_asked_for(wish, letters, site):
    owner = UserFactory()
    if wish is not None:
        confirmed = {"confirmed_at": owner.date_joined, **wish}
        MailWish.objects.create(user=owner, address="owner@example.org", **confirmed)
    upload = UploadFactory(site=site, created_by=owner)

    seal_upload(upload_id=upload.pk, count=0, actor=Actor.user(owner))
    settle_upload(upload.pk)

    assert Upload.objects.get(pk=upload.pk).state == UploadState.FINISHED
    assert Letter.objects.filter(user=owner, subject=upload.pk).count() == letters
