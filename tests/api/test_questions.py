"""What an address asks for, and the name of a request in the logs."""

import json
from uuid import uuid4

import pytest
import structlog

from screening.users.models import Scope
from tests.api.conftest import refusal
from tests.factories import StudyFactory, UploadFactory


@pytest.fixture
def client(ward):
    return ward.by_token(ward.integrator, Scope.READ)


@pytest.mark.parametrize("address", ["studies/", "results.csv", "results.ndjson"])
def test_a_parameter_that_does_not_exist_is_refused_and_finds_nothing(client, address):
    answer = client.get(f"/api/v1/{address}", {"externalid": "ACC2"})

    assert refusal(answer) == (400, "invalid")
    told = json.dumps(answer.json())
    assert "externalid" in told
    assert "external_id" in told


def test_a_study_is_asked_for_with_no_other_parameter_than_it_has(ward, client):
    study = StudyFactory(upload=UploadFactory(site=ward.site), ready=True)

    assert refusal(client.get(f"/api/v1/studies/{study.pk}/", {"field": "flag"})) == (400, "invalid")


def test_the_name_in_the_answer_is_the_one_in_the_log_and_the_line_says_whose_token_it_was(ward, client):
    brought = str(uuid4())
    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
        answer = client.get("/api/v1/studies/", headers={"X-Request-ID": brought})
        made = client.get("/api/v1/studies/")

    viewed = [(line["request_id"], line["user_id"]) for line in lines if line["event"] == "viewed"]
    assert answer["X-Request-ID"] == brought
    assert viewed == [(brought, ward.integrator.pk), (made["X-Request-ID"], ward.integrator.pk)]
