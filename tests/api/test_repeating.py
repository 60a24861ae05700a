import logging
from datetime import timedelta

import pytest
from django.urls import get_resolver
from django.utils import timezone

from screening.api import repeating
from screening.api.models import NamedRequest
from screening.api.repeating import Repeating
from screening.results.models import Screening, ScreeningState
from screening.review.models import Review
from screening.studies.models import Study
from screening.uploads.models import Item
from tests.api.conftest import offer, open_upload, refusal, send
from tests.factories import ImageFactory, ModelVersionFactory, ScreeningFactory, StudyFactory, UploadFactory
from workers.upkeep import look_after

KEY = {"HTTP_IDEMPOTENCY_KEY": "one"}


@pytest.fixture
def client(ward):
    return ward.by_token(ward.staff)


@pytest.fixture
def reader(ward):
    return ward.by_session(ward.reviewer)


@pytest.fixture
def study(ward) -> Study:
    upload = UploadFactory(site=ward.site, created_by=ward.staff, sealed=True, models_chosen=[ward.version.name])
    made = StudyFactory(upload=upload, flagged_ready=True)
    ScreeningFactory(image=ImageFactory(study=made), model_version=ward.version, scored_flagged=True, upload=upload)
    return made


def answering(study: Study) -> tuple[str, dict]:
    return f"/api/v1/studies/{study.pk}/reviews/", {"answers": {"covid": {"answer": "present"}}}


def test_every_post_of_the_api_says_what_it_does_when_it_comes_again():
    [api] = [entry for entry in get_resolver().url_patterns if getattr(entry, "namespace", "") == "api"]
    views = {entry.name: entry.callback.view_class for entry in api.url_patterns}

    posts = {name: view.repeating for name, view in views.items() if hasattr(view, "post")}

    told = {"retry", "screenings", "reviews", "webhooks", "webhook_secret", "webhook_replay", "webhook_test"}
    assert {name for name, how in posts.items() if how == Repeating.TOLD} == told
    assert {name for name, how in posts.items() if how == Repeating.OWN} == {"uploads"}
    assert {name for name, how in posts.items() if how == Repeating.READS} == {"lookup"}
    again = {"check", "files", "seal", "cancel", "references", "heat_maps"}
    assert again <= {name for name, how in posts.items() if how == Repeating.AGAIN}


def test_an_answer_of_a_reader_that_comes_twice_is_recorded_once_and_told_twice(reader, study):
    url, body = answering(study)

    first, second = (reader.post(url, body, **KEY) for _ in range(2))

    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert second["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first
    assert Review.objects.count() == 1


def test_without_a_key_or_under_another_each_is_an_act_of_its_own(reader, study):
    url, body = answering(study)

    reader.post(url, body)
    reader.post(url, body)
    reader.post(url, body, HTTP_IDEMPOTENCY_KEY="two")

    assert Review.objects.count() == 3


def test_a_key_with_another_body_or_address_is_refused_and_nothing_is_done(client, reader, study):
    url, body = answering(study)
    reader.post(url, body, **KEY)

    other = reader.post(url, {"answers": {"covid": {"answer": "absent"}}}, **KEY)

    assert refusal(other) == (409, "idempotency_key_reused")
    assert [review.answer for review in Review.objects.all()] == ["present"]


def test_a_refused_act_leaves_its_key_free(reader, study):
    url, body = answering(study)

    assert refusal(reader.post(url, {"answers": {}}, **KEY))[0] == 400
    assert reader.post(url, body, **KEY).status_code == 201


def test_keys_of_two_people_are_two_keys(ward, reader, study):
    url, body = answering(study)

    reader.post(url, body, **KEY)
    ward.by_session(ward.admin).post(url, body, **KEY)

    assert {review.reader for review in Review.objects.all()} == {ward.reviewer, ward.admin}


def test_further_models_are_asked_once_and_the_number_is_told_again(ward, client, study):
    url = f"/api/v1/uploads/{study.upload_id}/screenings/"
    other = ModelVersionFactory(slug="xray-two")

    answers = [client.post(url, {"models": [other.name]}, **KEY) for _ in range(2)]

    assert [answer.json()["queued"] for answer in answers] == [1, 1] or Screening.objects.count() == 1
    assert answers[0].json() == answers[1].json()


def test_a_retry_that_comes_twice_does_not_try_again_what_failed_since(client, study):
    url = f"/api/v1/uploads/{study.upload_id}/retry/"
    Screening.objects.update(state=ScreeningState.FAILED)
    first = client.post(url, **KEY).json()
    Screening.objects.update(state=ScreeningState.FAILED)

    second = client.post(url, **KEY).json()

    assert first == second
    assert first["queued"] == 1
    assert Screening.objects.get().state == ScreeningState.FAILED


def test_the_steps_of_an_upload_may_come_twice_each_under_its_key(client):
    url = open_upload(client)
    files = {"a/Doe^Jane.png": b"first", "b.png": b"second"}

    for _ in range(2):
        client.defaults["HTTP_IDEMPOTENCY_KEY"] = "offer"
        assert offer(client, url, files).status_code == 200
        client.defaults["HTTP_IDEMPOTENCY_KEY"] = "send"
        assert {one["state"] for one in send(client, url, files).json()["files"]} == {"received"}
    assert refusal(send(client, url, {"b.png": b"second"})) == (409, "idempotency_key_reused")
    for key in ("seal", "cancel"):
        client.defaults["HTTP_IDEMPOTENCY_KEY"] = key
        assert [client.post(f"{url}{key}/", {}).status_code for _ in range(2)] == [202, 202]

    assert Item.objects.count() == 2
    kept = str(list(NamedRequest.objects.values()))
    assert "Doe" not in kept


def test_a_request_that_is_still_being_done_is_not_done_beside_it(reader, study, monkeypatch):
    url, body = answering(study)
    reader.post(url, body, **KEY)
    NamedRequest.objects.update(status=None, body=None)

    assert refusal(reader.post(url, body, **KEY)) == (409, "still_being_done")

    NamedRequest.objects.update(created_at=timezone.now() - repeating.LOST)  # its process died
    assert reader.post(url, body, **KEY).status_code == 201


def test_a_key_is_forgotten_after_a_day(reader, study):
    url, body = answering(study)
    reader.post(url, body, **KEY)
    NamedRequest.objects.update(created_at=timezone.now() - timedelta(days=1, seconds=1))

    assert "Idempotency-Replayed" not in reader.post(url, body, **KEY)
    assert NamedRequest.objects.count() == 1


def aged() -> int:
    return NamedRequest.objects.update(created_at=timezone.now() - timedelta(days=1, seconds=1))


def test_a_key_of_what_is_done_again_refuses_another_body_on_each_day_of_its_use(client):
    url = f"{open_upload(client)}check/"
    first, other = ({"files": [{"path": path, "size": 1, "sha256": "0" * 64}]} for path in ("a.png", "b.png"))
    client.post(url, first, **KEY)
    aged()

    assert client.post(url, other, **KEY).status_code == 200
    assert refusal(client.post(url, first, **KEY)) == (409, "idempotency_key_reused")
    assert NamedRequest.objects.count() == 1


def test_keys_of_yesterday_are_swept_by_whoever_looks_after_the_service(client, reader, study):
    client.post(f"/api/v1/uploads/{study.upload_id}/cancel/", HTTP_IDEMPOTENCY_KEY="of what is done again")
    reader.post(*answering(study), **KEY)
    assert aged() == 2
    reader.post(*answering(study), HTTP_IDEMPOTENCY_KEY="of today")

    assert look_after()["keys_forgotten"] == 2
    assert [row.key for row in NamedRequest.objects.all()] == ["of today"]


@pytest.mark.parametrize("key", ["x" * 121])
def test_a_key_that_is_too_long_is_refused(reader, study, key):
    url, body = answering(study)

    assert refusal(reader.post(url, body, HTTP_IDEMPOTENCY_KEY=key)) == (400, "invalid")
    assert not Review.objects.exists()


def test_a_look_up_leaves_nothing_behind(client, caplog):
    caplog.set_level(logging.DEBUG)

    answer = client.post("/api/v1/studies/lookup/", {"uids": ["1.2.3.4.5"]}, **KEY)

    assert answer.status_code == 200
    assert not NamedRequest.objects.exists()
