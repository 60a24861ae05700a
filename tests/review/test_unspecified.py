"""Studies of which no model asks anything: they are answered in general, and never by an empty answer."""

import pytest
from django.urls import reverse

from screening.api.derived import derived
from screening.audit.actor import Actor
from screening.audit.models import AuditEvent
from screening.errors import InvalidAnswer
from screening.numbers.decided import Question, last, opinions_of
from screening.review.findings import UNSPECIFIED, findings_of
from screening.review.models import Review
from screening.review.services import AnswerIn, record_review
from screening.studies.models import StudyState
from tests.factories import ImageFactory, ModelVersionFactory, ScreeningFactory, StudyFactory
from tests.review.test_claims import Desk, address

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk():
    return Desk()


@pytest.fixture
def nobody_looked(desk):
    study = StudyFactory(upload=desk.upload, incomplete=True)
    ImageFactory(study=study)
    return study


@pytest.fixture
def nothing_flags(desk):
    study = StudyFactory(upload=desk.upload, ready=True)
    ScreeningFactory(
        image=ImageFactory(study=study),
        model_version=ModelVersionFactory(flag_labels=[]),
        scored=True,
        scores={"normal": 0.2},
        thresholds={},
    )
    return study


def answer(study, reader, **answers):
    given = {finding: AnswerIn(answer=value) for finding, value in answers.items()}
    return record_review(study_id=study.pk, reader=reader, answers=given, comment="", actor=Actor.user(reader))


@pytest.mark.parametrize("which", ["nobody_looked", "nothing_flags"])
def test_a_study_that_no_model_asks_about_is_answered_in_general(desk, client, request, which):
    study = request.getfixturevalue(which)
    client.force_login(desk.one)
    assert "Any finding that needs attention" in client.get(address(study)).text

    client.post(address(study, "answer"), {f"answer-{UNSPECIFIED}": "present", "revision": "1"})

    review = Review.objects.get()
    study.refresh_from_db()
    assert (review.finding, review.answer, review.flagged) == ("unspecified", "present", False)
    assert (study.state, study.flagged) == (StudyState.REVIEWED, False)


@pytest.mark.parametrize("which", ["nobody_looked", "nothing_flags"])
def test_an_empty_answer_is_refused_and_the_study_waits_on(desk, client, request, which):
    study = request.getfixturevalue(which)
    state = study.state
    client.force_login(desk.one)

    told = client.post(address(study, "answer"), {"revision": "1"}).text

    study.refresh_from_db()
    assert "invalid_answer" in told
    assert (study.state, study.reviewed_revision) == (state, 0)
    assert not Review.objects.exists()
    assert not AuditEvent.objects.exists()


def test_an_empty_answer_about_a_finding_is_refused_as_well(desk):
    with pytest.raises(InvalidAnswer, match="covid"):
        answer(desk.study(1), desk.one)

    assert not Review.objects.exists()


def test_where_a_model_asks_nothing_is_asked_in_general(desk):
    study = desk.study(1)
    ScreeningFactory(image=study.images.get(), model_version=ModelVersionFactory(flag_labels=[]), scored=True)

    assert [finding.slug for finding in findings_of(study)] == ["covid"]
    with pytest.raises(InvalidAnswer):
        answer(study, desk.one, covid="absent", unspecified="absent")


@pytest.mark.parametrize(("value", "word"), [("present", "present"), ("absent", "absent"), ("unsure", "unsure")])
def test_no_flag_is_said_to_be_missed_or_agreed_by_an_answer_in_general(desk, nothing_flags, value, word):
    reviews = answer(nothing_flags, desk.one, unspecified=value)

    assert derived(reviews) == {"unspecified": word}


def test_no_figure_about_a_model_counts_an_answer_in_general(desk, nothing_flags):
    version = ModelVersionFactory(flag_labels=["covid"])
    ScreeningFactory(image=nothing_flags.images.get(), model_version=version, trial=True, scored=True)
    answer(nothing_flags, desk.one, unspecified="present")

    assert opinions_of(Question(site=desk.site, version=version, label="covid", since=last(30))) == []


def test_what_nobody_looked_at_may_be_called_unusable_at_one_stroke(desk, nobody_looked, client):
    client.force_login(desk.one)
    assert "data-unusable" in client.get(reverse("review:not_assessed")).text

    client.post(address(nobody_looked, "unusable"), {"revision": "1"})

    review = Review.objects.get()
    assert (review.finding, review.answer, review.reason) == ("unspecified", "not_assessable", "technically unusable")
