import pytest
from rest_framework.test import APIClient

from screening.audit.models import AuditEvent
from screening.uploads.models import Upload
from screening.users.models import Membership, Role, Scope
from tests.api.conftest import refusal

URL = "/api/v1/uploads/"


def test_an_upload_is_opened_with_a_token_at_the_tokens_site(ward):
    answer = ward.by_token(ward.integrator).post(URL, {"name": "Monday"})

    body, upload = answer.json(), Upload.objects.get()
    assert answer.status_code == 201
    assert (body["id"], body["site"], body["state"]) == (str(upload.pk), str(ward.site.pk), "open")
    assert (upload.created_by, upload.site, upload.models_chosen) == (ward.integrator, ward.site, ["xray-one@1.0.0"])
    assert body["limits"]["files"] == 20_000
    assert body["items"]["expected"] == body["offered"] == 0


@pytest.mark.parametrize("role", ["staff", "integrator", "admin"])
def test_those_who_may_upload_open_one(ward, role):
    assert ward.by_token(getattr(ward, role)).post(URL, {}).status_code == 201


def test_a_reviewer_opens_none(ward):
    answer = ward.by_token(ward.reviewer).post(URL, {})

    assert refusal(answer) == (403, "not_allowed")
    assert not Upload.objects.exists()


def test_at_a_site_that_the_caller_does_not_belong_to_nothing_is_found(ward):
    answer = ward.by_session(ward.staff).post(URL, {"site": str(ward.elsewhere.pk)})

    assert refusal(answer) == (404, "not_found")
    assert not Upload.objects.exists()


def test_a_token_does_not_reach_another_site_of_its_owner(ward):
    Membership.objects.create(user=ward.staff, site=ward.elsewhere, role=Role.STAFF)

    answer = ward.by_token(ward.staff).post(URL, {"site": str(ward.elsewhere.pk)})

    assert refusal(answer) == (404, "not_found")


def test_who_belongs_to_several_sites_must_name_one(ward):
    Membership.objects.create(user=ward.staff, site=ward.elsewhere, role=Role.STAFF)
    client = ward.by_session(ward.staff)

    assert refusal(client.post(URL, {})) == (400, "invalid")
    assert client.post(URL, {"site": str(ward.elsewhere.pk)}).json()["site"] == str(ward.elsewhere.pk)


def test_without_a_sign_in_nothing_is_opened(ward):
    answer = APIClient().post(URL, {})

    assert refusal(answer) == (401, "not_signed_in")
    assert answer["WWW-Authenticate"] == "Token"
    assert not Upload.objects.exists()


def test_a_token_without_the_scope_opens_none(ward):
    answer = ward.by_token(ward.integrator, Scope.READ).post(URL, {})

    assert refusal(answer) == (403, "not_allowed")
    assert not Upload.objects.exists()


@pytest.mark.parametrize(
    "body",
    [
        {"modality": "mri"},
        {"priority": "now"},
        {"group_by": "mood"},
        {"site": "home"},
        {"models": "xray-one"},
        {"name": "x" * 201},
        {"name": "a\x00b"},
    ],
    ids=lambda body: next(iter(body)),
)
def test_a_value_that_does_not_exist_is_named_and_opens_nothing(ward, body):
    answer = ward.by_token(ward.staff).post(URL, body)

    assert refusal(answer) == (400, "invalid")
    assert next(iter(body)) in answer.json()["message"]
    assert not Upload.objects.exists()


def test_an_unknown_model_is_named_with_where_to_find_the_others(ward):
    answer = ward.by_token(ward.staff).post(URL, {"models": ["none@1.0.0"]})

    assert refusal(answer) == (400, "unknown_model")
    assert "/api/v1/models/" in answer.json()["what_to_do"]
    assert not Upload.objects.exists()


def test_a_repeated_request_with_the_same_key_opens_one_upload(ward):
    client = ward.by_token(ward.integrator)

    first = client.post(URL, {"name": "a"}, headers={"Idempotency-Key": "k-1"}).json()
    again = client.post(URL, {"name": "a"}, headers={"Idempotency-Key": "k-1"}).json()

    assert again["id"] == first["id"]
    assert Upload.objects.count() == 1
    assert AuditEvent.objects.filter(action="upload:opened").count() == 1


def test_the_same_key_with_another_body_is_a_conflict_and_changes_nothing(ward):
    client = ward.by_token(ward.integrator)
    client.post(URL, {"name": "a"}, headers={"Idempotency-Key": "k-1"})

    answer = client.post(URL, {"name": "b"}, headers={"Idempotency-Key": "k-1"})

    assert refusal(answer) == (409, "idempotency_key_reused")
    assert Upload.objects.get().name == "a"


def test_a_key_that_is_too_long_is_refused(ward):
    answer = ward.by_token(ward.staff).post(URL, {}, headers={"Idempotency-Key": "k" * 121})

    assert refusal(answer) == (400, "invalid")


def test_a_page_of_ours_needs_the_csrf_token_and_a_script_does_not(ward):
    page = APIClient(enforce_csrf_checks=True)
    page.force_login(ward.staff)

    assert refusal(page.post(URL, {})) == (403, "not_allowed")
    assert not Upload.objects.exists()


def test_a_body_that_is_no_json_is_refused_in_our_words(ward):
    answer = ward.by_token(ward.staff).post(URL, "{", content_type="application/json")

    assert refusal(answer) == (400, "unreadable_body")
