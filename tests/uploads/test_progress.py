from datetime import timedelta

import pytest
from django.utils import timezone

from screening.flows.progress import progress
from screening.results.models import ScreeningState
from screening.uploads.models import ItemState
from tests.factories import (
    ImageFactory,
    ItemFactory,
    ModelVersionFactory,
    ScreeningFactory,
    StudyFactory,
    UploadFactory,
)

pytestmark = pytest.mark.django_db


def screenings(upload, number, **values):
    image, version = ImageFactory(study=StudyFactory(upload=upload)), ModelVersionFactory()
    return [
        ScreeningFactory(image=image, upload=upload, model_version=version, pipeline=f"test-{n}", **values)
        for n in range(number)
    ]


def test_every_state_is_named_and_the_sum_is_what_was_offered():
    upload = UploadFactory()
    for state in (ItemState.EXPECTED, ItemState.RECEIVED, ItemState.ACCEPTED, ItemState.ACCEPTED):
        ItemFactory(upload=upload, state=state)
    ItemFactory(upload=upload, state=ItemState.DECODING, lease_token="0" * 32)

    seen = progress(upload)

    assert seen.offered == 5
    assert seen.items == {
        "expected": 1,
        "received": 2,
        "accepted": 2,
        "duplicate": 0,
        "rejected": 0,
        "failed": 0,
        "not_sent": 0,
        "cancelled": 0,
    }


def test_an_upload_without_results_has_no_rate_and_no_end():
    upload = UploadFactory()
    ItemFactory(upload=upload)

    seen = progress(upload)

    assert (seen.screenings, seen.images_per_second, seen.estimated_end) == ({}, None, None)


def test_the_rate_of_the_last_minute_tells_when_the_rest_is_done():
    upload = UploadFactory(sealed=True)
    now = timezone.now()
    ItemFactory.create_batch(40, upload=upload, accepted=True)
    for n, row in enumerate(screenings(upload, 20, scored=True)):
        row.done_at = now - timedelta(seconds=n + 1)  # one a second
        row.save()
    screenings(upload, 20)

    seen = progress(upload)

    assert seen.screenings == {"scored": 20, "waiting": 20}
    assert seen.images_per_second == pytest.approx(1.0, abs=0.15)
    assert (seen.estimated_end - now).total_seconds() == pytest.approx(20, abs=4)


def test_results_of_an_hour_ago_say_nothing_about_the_present_rate():
    upload = UploadFactory(sealed=True)
    for row in screenings(upload, 5, scored=True):
        row.done_at = timezone.now() - timedelta(hours=1)
        row.save()
    screenings(upload, 1)

    assert progress(upload).images_per_second is None


def test_a_finished_upload_shows_the_rate_of_its_whole_run():
    upload = UploadFactory(finished=True)
    start = timezone.now() - timedelta(hours=3)
    ItemFactory.create_batch(11, upload=upload, accepted=True)
    for n, row in enumerate(screenings(upload, 11, scored=True)):
        row.done_at = start + timedelta(seconds=n)
        row.save()

    seen = progress(upload)

    assert (seen.images_per_second, seen.estimated_end) == (1.1, None)


def test_of_several_models_each_picture_counts_once():
    upload = UploadFactory(finished=True, models_chosen=["a", "b"])
    start = timezone.now()
    ItemFactory.create_batch(10, upload=upload, accepted=True)
    for n, row in enumerate(screenings(upload, 20, state=ScreeningState.SCORED)):
        row.done_at = start + timedelta(seconds=n / 2)
        row.save()

    assert progress(upload).images_per_second == pytest.approx(1.05, abs=0.01)
