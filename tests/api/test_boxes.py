"""A box through the API: taken, told, refused by stable codes."""

import pytest

from screening.review.models import Review
from tests.api.conftest import refusal
from tests.factories import ImageFactory, ScreeningFactory, StudyFactory, UploadFactory

SIDES = {"left": 0.25, "top": 0.125, "width": 0.5, "height": 0.3333}


@pytest.fixture
def study(ward):
    made = StudyFactory(
        upload=UploadFactory(site=ward.site, sealed=True, created_by=ward.integrator), flagged_ready=True
    )
    ScreeningFactory(image=ImageFactory(study=made), model_version=ward.version, scored_flagged=True)
    return made


def send(client, study, *, answer="present", **box):
    drawn = {"image": str(study.images.get().pk), **SIDES, **box}
    return client.post(f"/api/v1/studies/{study.pk}/reviews/", {"answers": {"covid": {"answer": answer, "box": drawn}}})


def test_a_box_is_taken_and_told_with_the_study(ward, study):
    given = send(ward.by_token(ward.reviewer), study)
    told = ward.by_token(ward.integrator).get(f"/api/v1/studies/{study.pk}/").json()

    expected = {"image": str(study.images.get().pk), **SIDES}
    assert given.status_code == 201
    assert given.json()["reviews"][0]["box"] == told["reviews"][0]["box"] == expected


def test_an_answer_without_a_box_tells_none(ward, study):
    body = {"answers": {"covid": {"answer": "present"}}}

    given = ward.by_token(ward.reviewer).post(f"/api/v1/studies/{study.pk}/reviews/", body)

    assert given.json()["reviews"][0]["box"] is None


def test_boxes_that_cannot_be_are_refused_by_code_and_nothing_is_recorded(ward, study):
    client = ward.by_token(ward.reviewer)
    elsewhere = str(ImageFactory(study=StudyFactory(upload=study.upload)).pk)

    assert refusal(send(client, study, left=0.9)) == (400, "box_out_of_range")
    assert refusal(send(client, study, image=elsewhere)) == (400, "box_not_of_study")
    assert refusal(send(client, study, answer="absent")) == (400, "box_not_taken")
    assert refusal(send(client, study, left="wide")) == (400, "invalid")
    assert not Review.objects.exists()
