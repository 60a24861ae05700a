"""Two uploads bring the same bytes: the picture is screened once, and both receipts wait for it."""

import pytest

from screening.audit.actor import Actor
from screening.flows import duplicates
from screening.flows.acts import cancel_upload, seal_upload
from screening.flows.again import ask_again, rescreen_upload
from screening.flows.integrity import find_violations
from screening.flows.receipt import receipt
from screening.flows.settle import settle_all
from screening.results.models import Screening, ScreeningState
from screening.studies.models import StudyState
from screening.uploads.models import ItemState, UploadState
from tests.factories import (
    ImageFactory,
    ItemFactory,
    ModelVersionFactory,
    ScreeningFactory,
    StudyFactory,
    UploadFactory,
)

pytestmark = pytest.mark.django_db(transaction=True)
STAFF = Actor("user:1")


@pytest.fixture
def version():
    return ModelVersionFactory()


@pytest.fixture
def waiting(version):
    """A row that waits, of a picture that the first upload brought and the second one repeats."""
    first = UploadFactory(sealed=True, models_chosen=[version.name])
    image = ImageFactory(study=StudyFactory(upload=first))
    item = ItemFactory(upload=first, accepted=True, sha256=image.sha256, study_id=image.study_id)
    second = UploadFactory(site=first.site, models_chosen=[version.name])
    ItemFactory(
        upload=second, state=ItemState.DUPLICATE, sha256=image.sha256, duplicate_of=item, study_id=image.study_id
    )
    row = ScreeningFactory(image=image, model_version=version)
    return first, second, row


def outcomes(upload) -> list[str]:
    items = receipt(upload, with_paths=False)
    return [result.outcome for item in items for image in item.images for result in image.results]


def test_an_upload_is_not_finished_while_the_row_that_it_shares_waits(waiting):
    _, second, row = waiting

    sealed = seal_upload(upload_id=second.pk, count=None, actor=STAFF)

    assert sealed.state == UploadState.SEALED
    Screening.objects.filter(pk=row.pk).update(state=ScreeningState.SCORED)
    settle_all()
    second.refresh_from_db()
    assert second.state == UploadState.FINISHED


@pytest.mark.parametrize("leased", [False, True])
def test_cancelling_one_upload_leaves_what_the_other_waits_for(waiting, leased):
    first, second, row = waiting
    if leased:
        Screening.objects.filter(pk=row.pk).delete()
        row = ScreeningFactory(image=row.image, model_version=row.model_version, leased=True)
    seal_upload(upload_id=second.pk, count=None, actor=STAFF)
    token = row.lease_token

    cancel_upload(upload_id=first.pk, actor=STAFF)

    row.refresh_from_db()
    assert (row.upload_id, row.lease_token) == (second.pk, token)
    assert row.state == (ScreeningState.LEASED if leased else ScreeningState.WAITING)
    assert outcomes(second) == ["waiting"]
    cancel_upload(upload_id=second.pk, actor=STAFF)
    assert outcomes(second) == ["cancelled"]
    row.study.refresh_from_db()
    assert row.study.state == StudyState.INCOMPLETE


def test_a_row_goes_only_to_an_upload_that_chose_its_model(waiting):
    first, second, row = waiting
    second.models_chosen = [ModelVersionFactory().name]
    second.save()

    cancel_upload(upload_id=first.pk, actor=STAFF)

    row.refresh_from_db()
    assert (row.state, row.upload_id) == (ScreeningState.CANCELLED, first.pk)


def test_an_upload_that_was_finished_too_early_is_reopened_with_the_row(waiting):
    first, second, row = waiting
    seal_upload(upload_id=second.pk, count=None, actor=STAFF)
    second.state, second.finished_at = UploadState.FINISHED, row.created_at
    second.save()

    cancel_upload(upload_id=first.pk, actor=STAFF)

    row.refresh_from_db()
    second.refresh_from_db()
    assert (row.upload_id, second.state) == (second.pk, UploadState.SEALED)


def test_a_row_that_was_cancelled_while_the_other_upload_offered_it_is_asked_for_again(waiting, version):
    first, second, row = waiting
    second.items.update(state=ItemState.RECEIVED)  # its check has read the rows, and not written its item yet
    cancel_upload(upload_id=first.pk, actor=STAFF)
    second.items.update(state=ItemState.DUPLICATE)

    sealed = seal_upload(upload_id=second.pk, count=None, actor=STAFF)

    assert sealed.state == UploadState.SEALED
    assert ask_again() == 1
    row.refresh_from_db()
    assert (row.state, row.upload_id) == (ScreeningState.WAITING, second.pk)


def pictures(upload, number: int) -> None:
    for _ in range(number):
        image = ImageFactory(study=StudyFactory(upload=upload, ready=True))
        ItemFactory(upload=upload, accepted=True, sha256=image.sha256, study_id=image.study_id)
        ScreeningFactory(image=image, scored=True)


def test_a_further_model_is_asked_in_chunks_and_goes_on_where_it_was_cut_off(version, monkeypatch):
    upload = UploadFactory(finished=True)
    pictures(upload, 3)
    monkeypatch.setattr("screening.flows.again.AT_ONCE", 1)
    original, calls = duplicates.settle_duplicates, []

    def killed_at_the_second(**words):
        calls.append(len(words["hashes"]))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return original(**words)

    monkeypatch.setattr("screening.flows.again.settle_duplicates", killed_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        rescreen_upload(upload_id=upload.pk, models=[version.name], actor=STAFF)
    asked = Screening.objects.filter(model_version=version)
    assert (asked.count(), calls) == (1, [1, 1])
    asked.update(state=ScreeningState.SCORED)

    settle_all()

    upload.refresh_from_db()
    assert upload.state == UploadState.SEALED
    assert ask_again() == 2
    assert asked.count() == 3
    asked.update(state=ScreeningState.SCORED)
    settle_all()
    upload.refresh_from_db()
    assert upload.state == UploadState.FINISHED


def test_a_model_that_does_not_fit_the_picture_keeps_nothing_waiting(version):
    upload = UploadFactory(sealed=True, models_chosen=[version.name, ModelVersionFactory(modality="ct").name])
    image = ImageFactory(study=StudyFactory(upload=upload))
    ItemFactory(upload=upload, accepted=True, sha256=image.sha256, study_id=image.study_id)
    ScreeningFactory(image=image, model_version=version, scored=True)

    settle_all()

    upload.refresh_from_db()
    assert upload.state == UploadState.FINISHED


def test_pictures_that_no_chosen_model_fits_are_asked_once_and_said_to_be_unfit():
    scans = ModelVersionFactory(modality="ct")
    upload = UploadFactory(finished=True)
    pictures(upload, 1)

    assert rescreen_upload(upload_id=upload.pk, models=[scans.name], actor=STAFF) == 1

    upload.refresh_from_db()
    assert upload.state == UploadState.FINISHED
    assert ask_again() == 0
    assert [v for v in find_violations(blobs=False) if v.check == "sums"] == []
