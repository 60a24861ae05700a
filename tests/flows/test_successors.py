"""A model version is retired while an upload that chose it is under way."""

import pytest

from screening.flows.owed import is_screening, unasked
from tests.factories import (
    ImageFactory,
    ItemFactory,
    ModelVersionFactory,
    ScreeningFactory,
    StudyFactory,
    UploadFactory,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def pictures():
    """Two pictures of an upload that chose a version which was retired after the first was asked about."""
    retired = ModelVersionFactory(slug="three", version="1.0.0", active=False)
    upload = UploadFactory(sealed=True, models_chosen=[retired.name])
    made = [
        ImageFactory(study=StudyFactory(upload=upload), sha256=ItemFactory(upload=upload, accepted=True).sha256)
        for _ in range(2)
    ]
    ScreeningFactory(image=made[0], model_version=retired, scored_flagged=True)
    return made


def test_the_successor_is_asked_about_what_the_retired_version_has_no_row_of(pictures):
    first, second = pictures
    upload = first.study.upload
    assert unasked(upload) == []  # nobody is left to ask

    ModelVersionFactory(slug="three", version="1.1.0")

    assert unasked(upload) == [second.sha256]


def test_whoever_chose_the_newer_version_by_name_gets_its_answer_beside_that_of_the_retired_one(pictures):
    newer = ModelVersionFactory(slug="three", version="1.1.0")
    upload = pictures[0].study.upload
    upload.models_chosen = [newer.name]
    upload.save()

    assert unasked(upload) == sorted(picture.sha256 for picture in pictures)


def test_an_upload_waits_for_the_successor_that_another_upload_asked_about_its_picture(pictures):
    second, newer = pictures[1], ModelVersionFactory(slug="three", version="1.1.0")

    ScreeningFactory(image=second, model_version=newer, upload=UploadFactory(sealed=True, models_chosen=[newer.name]))

    assert is_screening(second.study.upload_id)
