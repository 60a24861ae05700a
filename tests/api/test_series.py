"""What integrators are told of a series of slices."""

import pytest

from ml.vocabulary import PIPELINE
from screening.results.models import SeriesResult
from screening.studies.changes import mark_changed
from screening.users.models import Scope
from tests.factories import ImageFactory, StudyFactory, UploadFactory

BEFORE = "plane-0"


@pytest.fixture
def scan(ward):
    """A finished CT study of two slices."""
    made = StudyFactory(upload=UploadFactory(site=ward.site, sealed=True), modality="ct", ready=True)
    ImageFactory.create_batch(2, study=made, series_uid="2.25.1")
    mark_changed([(made.site_id, made.pk)])
    return made


def result(study, version, pipeline: str, score: float) -> None:
    SeriesResult.objects.create(
        study=study,
        model_version=version,
        pipeline=pipeline,
        series_uid="2.25.1",
        outcome="scored",
        slices=2,
        scores={"covid": score},
        thresholds={"covid": 0.5},
    )


@pytest.mark.parametrize("order", [(BEFORE, PIPELINE), (PIPELINE, BEFORE)])
def test_a_series_is_told_once_a_model_at_the_present_pipeline(ward, scan, order):
    scores = {BEFORE: 0.2, PIPELINE: 0.7}
    for pipeline in order:
        result(scan, ward.version, pipeline, scores[pipeline])

    [told] = ward.by_token(ward.integrator, Scope.READ).get(f"/api/v1/studies/{scan.pk}/").json()["series_results"]

    assert (told["series"], told["scores"]) == ("2.25.1", {"covid": 0.7})


@pytest.mark.parametrize("fields", ["series_results", "images,series_results"])
def test_a_series_is_told_with_and_without_its_pictures(ward, scan, fields):
    result(scan, ward.version, PIPELINE, 0.7)

    body = ward.by_token(ward.integrator, Scope.READ).get("/api/v1/studies/", {"fields": fields}).json()

    assert [row["scores"] for row in body["results"][0]["series_results"]] == [{"covid": 0.7}]
