"""The tray of what was not assessed: why, and what may be answered at one stroke without a look at the study."""

import pytest
from django.urls import reverse

from screening.audit.models import AuditEvent
from screening.results.models import ScreeningState, SeriesResult
from screening.review.models import Review
from screening.studies.models import Study, StudyState
from tests.factories import ImageFactory, ModelVersionFactory, ScreeningFactory, StudyFactory
from tests.review.test_claims import Desk, address

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk():
    return Desk()


@pytest.fixture
def version():
    return ModelVersionFactory(slug="xray-test")


def unscored(study, version, code="not_chest", **image):
    return ScreeningFactory(
        image=ImageFactory(study=study, **image),
        model_version=version,
        state=ScreeningState.INCONCLUSIVE,
        code=code,
    )


def gap(desk, version, **more):
    """A study with a picture that no model could score."""
    study = StudyFactory(upload=desk.upload, incomplete=True, **more)
    unscored(study, version)
    return study


def press_x(client, study):
    before = Study.objects.values("state", "flagged", "not_assessed", "reviewed_revision").get(pk=study.pk)
    told = client.post(address(study, "unusable"), {"revision": "1"}).text
    after = Study.objects.values("state", "flagged", "not_assessed", "reviewed_revision").get(pk=study.pk)
    return told, before == after


def refused(client, study):
    told, untouched = press_x(client, study)
    nothing_written = not Review.objects.exists() and not AuditEvent.objects.exists()
    return "partly_assessed" in told and "Nothing was recorded." in told and untouched and nothing_written


def test_a_flagged_study_is_not_closed_at_one_stroke_for_another_picture_without_a_score(desk, version, client):
    study = gap(desk, version, flagged=True)
    ScreeningFactory(image=ImageFactory(study=study), model_version=version, scored_flagged=True)
    client.force_login(desk.one)

    tray = client.get(reverse("review:not_assessed")).text

    assert "data-unusable" not in tray
    assert "data-anyway" in tray
    assert refused(client, study)


def test_a_study_with_a_single_score_that_flags_nothing_is_not_closed_at_one_stroke_either(desk, version, client):
    study = gap(desk, version)
    ScreeningFactory(image=ImageFactory(study=study), model_version=version, scored=True)
    client.force_login(desk.one)

    assert "data-unusable" not in client.get(reverse("review:not_assessed")).text
    assert refused(client, study)


def test_a_failed_slice_closes_no_series_that_was_scored(desk, version, client):
    study = gap(desk, version)
    SeriesResult.objects.create(study=study, model_version=version, outcome="scored", slices=200)
    client.force_login(desk.one)

    assert "data-unusable" not in client.get(reverse("review:not_assessed")).text
    assert refused(client, study)


def test_the_score_of_a_picture_that_was_replaced_forbids_nothing(desk, version, client):
    study = gap(desk, version)
    ScreeningFactory(image=ImageFactory(study=study, superseded=True), model_version=version, scored=True)
    client.force_login(desk.one)

    assert "data-unusable" in client.get(reverse("review:not_assessed")).text
    press_x(client, study)

    assert Review.objects.get().reason == "technically unusable"
    study.refresh_from_db()
    assert study.state == StudyState.REVIEWED


def test_each_reason_is_told_beside_a_flag_of_the_same_study(desk, version, client):
    study = gap(desk, version, flagged=True)
    unscored(study, version)
    unscored(study, version, code="not_finite")
    ScreeningFactory(image=ImageFactory(study=study), model_version=version, scored_flagged=True)
    client.force_login(desk.one)

    page = client.get(reverse("review:not_assessed"))

    [row] = page.context["rows"]
    assert [(reason.sentence, reason.pictures) for reason in row.reasons] == [
        ("Not assessed by xray-test@1.0.0: it does not look like a chest radiograph or an axial chest CT slice.", 2),
        ("Not assessed by xray-test@1.0.0: the model gave no finite score.", 1),
    ]
    assert page.text.count("the model gave no finite score") == 1
    assert "score-reached" in page.text


def test_that_a_model_is_for_another_modality_is_no_reason_where_the_right_one_scored_the_picture(
    desk, version, client
):
    study = gap(desk, version)
    scored = ScreeningFactory(image=ImageFactory(study=study), model_version=version, scored=True)
    ScreeningFactory(
        image=scored.image,
        model_version=ModelVersionFactory(slug="ct-test", modality="ct"),
        state=ScreeningState.INCONCLUSIVE,
        code="wrong_modality",
    )
    client.force_login(desk.one)

    [row] = client.get(reverse("review:not_assessed")).context["rows"]

    assert [reason.pictures for reason in row.reasons] == [1]
    assert "chest radiograph" in row.reasons[0].sentence
