"""The study page: who sees it, what it says, and what an answer changes."""

import re

import numpy as np
import pytest
from django.db import connection, transaction
from django.urls import reverse

from ml.evaluation.field import CENTRES, HALF_HEIGHT, HALF_WIDTH
from ml.vocabulary import PLANE_SIDE
from screening.audit.actor import Actor
from screening.audit.models import AuditEvent, ChainKind
from screening.audit.services import Draft, record
from screening.audit.triggers import install_triggers, lift_triggers
from screening.results.models import ScreeningState, SeriesResult
from screening.review.models import Review
from screening.studies.models import StudyState
from screening.uploads.storage import blob_folder
from screening.users.models import Role
from tests.factories import (
    ImageFactory,
    ModelVersionFactory,
    ScreeningFactory,
    SiteFactory,
    StudyFactory,
    UploadFactory,
    UserFactory,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def site():
    return SiteFactory(name="Here")


@pytest.fixture
def reader(site):
    return UserFactory(username="reader", role_at=(site, Role.REVIEWER))


@pytest.fixture
def colleague(site):
    return UserFactory(username="colleague", role_at=(site, Role.REVIEWER))


@pytest.fixture
def stranger():
    return UserFactory(username="stranger", role_at=(SiteFactory(), Role.REVIEWER))


@pytest.fixture
def version():
    return ModelVersionFactory(slug="xray-test")


@pytest.fixture
def study(site, version):
    study = StudyFactory(upload=UploadFactory(site=site, finished=True), flagged_ready=True)
    ScreeningFactory(image=ImageFactory(study=study), model_version=version, scored_flagged=True)
    with transaction.atomic():
        record(Actor.service("ingest"), [Draft(ChainKind.STUDY, study.pk, site.pk, "study:received", {"images": 1})])
    return study


def address(study, name="study"):
    return reverse(f"review:{name}", args=[study.pk])


def test_readers_of_the_site_see_a_study_and_for_a_stranger_it_does_not_exist(
    client, reader, colleague, stranger, study
):
    answers = []
    for user in (reader, colleague, stranger):
        client.force_login(user)
        answers.append(client.get(address(study)).status_code)

    assert answers == [200, 200, 404]


def test_a_purged_study_does_not_exist(client, reader, study):
    study.state = StudyState.PURGED
    study.save()
    client.force_login(reader)

    assert client.get(address(study)).status_code == 404


def test_every_model_answers_with_scores_its_operating_point_and_a_sentence(client, reader, study, version):
    client.force_login(reader)

    [opinion] = client.get(address(study)).context["sheet"].opinions

    assert (opinion.version, opinion.word) == (version, "flagged")
    assert [(score.label, score.value, score.threshold) for score in opinion.scores] == [
        ("covid", 0.9, 0.5),
        ("normal", 0.1, None),
    ]
    assert opinion.sentence == "xray-test@1.0.0: flagged: the covid score 0.900 reaches the operating point 0.500."


def test_a_series_is_answered_by_its_top_tenth_and_said_not_to_be_validated(client, reader, site):
    study = StudyFactory(upload=UploadFactory(site=site, finished=True), modality="ct", ready=True)
    version = ModelVersionFactory(slug="ct-test", modality="ct")
    for place in range(4):
        image = ImageFactory(study=study, position=float(place), series_uid="1.2")
        ScreeningFactory(image=image, model_version=version, scored_flagged=place == 3, scored=place != 3)
    SeriesResult.objects.create(
        study=study, model_version=version, pipeline="plane-1", outcome="scored", slices=4,
        scores={"covid": 0.4, "normal": 0.6}, thresholds={"covid": 0.5},
    )  # fmt: skip
    client.force_login(reader)

    page = client.get(address(study))

    [opinion] = page.context["sheet"].opinions
    assert opinion.word == "not flagged"
    assert "a ranking that has not been validated" in page.text
    assert [one["number"] for one in page.context["slices"]] == [1, 2, 3, 4]
    assert page.context["sheet"].start == 3  # the slice with the highest score is shown first


def test_an_answer_is_recorded_shown_and_written_to_the_chain(client, reader, study):
    client.force_login(reader)

    page = client.post(address(study, "answer"), {"answer-covid": "present", "comment": " left base "})

    review = Review.objects.get()
    assert (review.reader, review.finding, review.answer, review.comment) == (reader, "covid", "present", "left base")
    study.refresh_from_db()
    assert study.state == StudyState.REVIEWED
    assert "Recorded." in page.text
    assert "left base" in page.text
    assert AuditEvent.objects.filter(action="study:answered").count() == 1


def test_a_new_answer_replaces_the_old_one_which_stays_in_the_history(client, reader, study):
    client.force_login(reader)
    client.post(address(study, "answer"), {"answer-covid": "present"})

    page = client.post(address(study, "answer"), {"answer-covid": "absent"})

    assert [(r.answer, r.superseded_by_id is None) for r in page.context["history"].reviews] == [
        ("absent", True),
        ("present", False),
    ]
    assert "replaced" in page.text


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "Asked were: covid."),
        ({"answer-covid": "maybe"}, "is none of present"),
        ({"answer-covid": "not_assessable"}, "Why covid is not assessable is missing."),
    ],
)
def test_a_refused_answer_says_why_keeps_what_was_written_and_changes_nothing(client, reader, study, given, said):
    events = AuditEvent.objects.count()
    client.force_login(reader)

    page = client.post(address(study, "answer"), {**given, "comment": "my words"})

    assert said in page.text
    assert "my words" in page.text
    assert not Review.objects.exists()
    assert AuditEvent.objects.count() == events
    study.refresh_from_db()
    assert study.state == StudyState.READY


def test_a_reason_left_from_another_choice_is_not_recorded(client, reader, study):
    client.force_login(reader)

    client.post(address(study, "answer"), {"answer-covid": "absent", "reason-covid": "cut off or rotated"})

    assert Review.objects.get().reason == ""


@pytest.mark.parametrize("role", [Role.STAFF, Role.INTEGRATOR])
def test_who_does_not_read_may_look_but_not_answer(client, site, study, role):
    client.force_login(UserFactory(role_at=(site, role)))

    assert client.get(address(study)).status_code == 200
    assert client.post(address(study, "answer"), {"answer-covid": "present"}).status_code == 404
    assert not Review.objects.exists()


def test_a_stranger_answers_nothing(client, stranger, study):
    client.force_login(stranger)

    assert client.post(address(study, "answer"), {"answer-covid": "present"}).status_code == 404
    assert not Review.objects.exists()


def test_the_page_proves_the_chain_and_says_where_it_is_broken(client, reader, study):
    client.force_login(reader)
    assert "Chain intact, 1 event" in client.get(address(study)).text

    lift_triggers(connection)
    AuditEvent.objects.filter(chain__startswith="study:").update(action="study:forged")
    install_triggers(connection)

    assert "Chain broken at event 1: an event was changed" in client.get(address(study)).text


def test_the_next_study_is_the_next_of_the_same_tray_and_the_list_begins_again_after_the_last(
    client, reader, site, study, version
):
    later = StudyFactory(upload=study.upload, flagged_ready=True)
    ScreeningFactory(image=ImageFactory(study=later), model_version=version, scored_flagged=True)
    client.force_login(reader)

    assert client.get(address(study)).context["next_url"].startswith(address(later))
    assert client.get(address(later)).context["next_url"].startswith(address(study))


def test_reasons_and_notes_of_pictures_are_said_in_words(client, reader, site, version):
    study = StudyFactory(upload=UploadFactory(site=site, finished=True), incomplete=True)
    notes = ["window_guessed", "text_seen", "text_masked:3", "of_a_later_release"]
    image = ImageFactory(study=study, notes=notes, not_assessed="wrong_view")
    ScreeningFactory(image=image, model_version=version, state=ScreeningState.INCONCLUSIVE, code="wrong_view")
    client.force_login(reader)

    said = client.get(address(study)).text

    assert "No display window was stored; gray values were scaled by percentiles." in said
    assert "The picture seems to hold burned-in text." in said
    assert "Regions that seemed to hold burned-in text were filled with black: 3." in said
    assert "Picture 1 was not assessed: it is not a frontal view." in said


def stored_preview(study):
    image = study.images.get()
    folder = blob_folder(image.site_id, image.sha256)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "0.jpg").write_bytes(b"a jpeg")
    return reverse("review:preview", args=[image.pk])


def test_a_preview_is_given_to_members_alone_and_kept_by_no_cache(client, reader, stranger, study):
    preview = stored_preview(study)

    assert client.get(preview).status_code == 302  # to the sign-in
    client.force_login(stranger)
    assert client.get(preview).status_code == 404
    client.force_login(reader)
    answer = client.get(preview)
    assert b"".join(answer.streaming_content) == b"a jpeg"
    assert (answer["Cache-Control"], answer["Content-Type"]) == ("private, no-store", "image/jpeg")


def test_a_preview_whose_bytes_are_gone_is_not_found(client, reader, study):
    client.force_login(reader)

    assert client.get(reverse("review:preview", args=[study.images.get().pk])).status_code == 404


def test_a_card_shows_figures_with_intervals_limits_and_what_applies_at_the_site(client, reader):
    version = ModelVersionFactory(
        card={
            "limits": ["Adults only."],
            "operating_points": {"covid": {"value": 0.5, "low": 0.4, "high": 0.6, "rule": "by patient"}},
            "metrics": {
                "val": {"pictures": 10, "auc": {"covid": {"value": 0.9, "low": 0.8, "high": 0.95}}, "sources": {}}
            },
            "shortcut": {"verdict": "not tested yet"},
        }
    )
    client.force_login(reader)

    page = client.get(reverse("review:model", args=[version.slug, version.version]))

    [validation] = page.context["card"].metrics.parts
    assert [(f.name, f.value, f.low, f.high) for f in validation.figures] == [("AUC: covid", 0.9, 0.8, 0.95)]
    assert validation.facts == [("pictures", "10")]
    assert "Adults only." in page.text
    assert "provisional: set yours" in page.text
    assert "not tested yet" in page.text


def test_a_difference_of_two_models_is_drawn_from_minus_1_to_1(client, reader):
    differences = {
        "lower": {"value": -0.1, "low": -0.2, "high": 0.3, "excludes_zero": False},
        "higher": {"value": 0.5, "low": 0.4, "high": 0.6, "excludes_zero": True},
    }
    version = ModelVersionFactory(card={"limits": [], "metrics": {"val": {"against": differences}}})
    client.force_login(reader)

    page = client.get(reverse("review:model", args=[version.slug, version.version]))

    [validation] = page.context["card"].metrics.parts
    [lower, higher] = validation.figures
    assert (lower.at, lower.left, lower.width) == ("45.00", "40.00", "25.00")
    assert (higher.at, higher.left, higher.width) == ("75.00", "70.00", "10.00")
    assert "-0.200 to 0.300" in " ".join(page.text.split())


def test_models_do_not_exist_for_somebody_without_a_site(client):
    client.force_login(UserFactory())

    assert client.get(reverse("review:models")).status_code == 404


@pytest.mark.parametrize(("verdict", "told"), [("shortcut likely", True), ("not found by this test", False)])
def test_a_likely_shortcut_is_told_beside_every_answer_and_on_the_card(client, reader, study, version, verdict, told):
    version.card["shortcut"] = {"verdict": verdict, "text": "the border alone gives 0.99."}
    version.save()
    client.force_login(reader)

    page = client.get(address(study)).text
    card = client.get(reverse("review:model", args=[version.slug, version.version])).text

    assert ("Shortcut likely." in page) is told
    assert ("Shortcut likely: this model" in card) is told
    assert "the border alone gives 0.99." in card


def test_the_demo_of_the_shortcut_test_blanks_what_the_test_blanks(client, reader, version):
    version.card = {"shortcut": {"labels": {"covid": {"auc": {"no_lungs": {"retrained": {"value": 0.5}}}}}}}
    version.save()
    client.force_login(reader)

    page = client.get(reverse("review:model", args=[version.slug, version.version])).content.decode()

    ellipses = re.findall(r'<ellipse cx="([\d.]+)" cy="([\d.]+)" rx="([\d.]+)" ry="([\d.]+)">', page)
    drawn = [tuple(float(number) / PLANE_SIDE for number in one) for one in ellipses]
    assert np.allclose(drawn, [(centre, 0.5, HALF_WIDTH, HALF_HEIGHT) for centre in CENTRES])
