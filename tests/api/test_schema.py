import hashlib
import json
import re
from io import StringIO

import pytest
from django.core.management import call_command
from django.urls import reverse
from fhir.resources.R4B.bundle import Bundle
from openapi_spec_validator import validate
from rest_framework.test import APIClient

from ml.vocabulary import DISCLAIMER
from screening.audit.actor import Actor
from screening.flows.ingested import record_ingested
from screening.flows.scored import record_outcomes
from screening.results.leases import claim_batch
from screening.results.models import Screening
from screening.studies.values import IngestedFile, IngestedPicture, ItemOutcome, ModelIdentity, ScreenOutcome
from screening.uploads.leases import claim_items
from tests.api.script import Script
from workers.documents import fhir

CPU, GPU = Actor.service("ingest"), Actor.service("inference")


def work(version) -> None:
    """Do what the workers do, with a model that finds covid everywhere."""
    picture = IngestedPicture(
        frame=0, modality="xray", view="PA", rows=4, columns=3, notes=(), not_assessed="", plane_sha256="p" * 64
    )
    lease, items = claim_items(50)
    outcomes = [
        ItemOutcome(
            item_id=item.pk,
            file=IngestedFile(kind="png", source_name="source.png", pixels_sha256=item.sha256, pictures=(picture,)),
        )
        for item in items
    ]
    record_ingested(lease=lease, outcomes=outcomes, actor=CPU)
    batch, rows = claim_batch(model_version_id=version.pk, limit=50)
    record_outcomes(
        lease=batch,
        model=ModelIdentity(name=version.name, sha256=version.sha256, runtime="test", precision="fp32"),
        outcomes={row.pk: ScreenOutcome(kind="scored", scores={"covid": 0.9, "normal": 0.1}) for row in rows},
        timings={},
        actor=GPU,
    )


def test_the_schema_has_neither_errors_nor_warnings(tmp_path):
    call_command(
        "spectacular", "--validate", "--fail-on-warn", "--file", str(tmp_path / "openapi.yml"), stdout=StringIO()
    )


def test_the_schema_is_valid_openapi_and_names_the_token_and_every_refusal(ward):
    document = Script(ward.by_token(ward.integrator)).document

    validate(document)
    assert document["components"]["securitySchemes"]["token"]["name"] == "Authorization"
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert "401" in operation["responses"], f"{method} {path}"
            for status, answer in operation["responses"].items():
                if status == "414":  # said by the web server before any code of ours runs, and not in JSON
                    assert "content" not in answer, f"{method} {path}"
                elif int(status) >= 400:
                    content = answer["content"]["application/json"]
                    assert content["schema"]["$ref"].endswith("/Refusal"), f"{method} {path} {status}"
                    assert content["examples"], f"{method} {path} {status}"


def test_a_script_that_knows_only_the_schema_uploads_polls_and_reads_results(ward, django_capture_on_commit_callbacks):
    script = Script(ward.by_token(ward.integrator))
    files = {"ward/a.png": b"picture a", "ward/b.png": b"picture b", "ward/copy.png": b"picture a", "empty.png": b""}
    named = [
        {"path": path, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()} for path, data in files.items()
    ]

    [model] = script.call("models_list")["results"]
    upload = script.call("uploads_open", {"name": "Monday", "models": [model["name"]]})["id"]
    checked = script.call("uploads_check", {"files": named}, upload_id=upload)
    missing = {one["path"]: files[one["path"]] for one in checked["files"] if one["state"] == "missing"}
    received = script.send("uploads_files", missing, upload_id=upload)
    script.call("uploads_references", {"rows": [{"path": "ward/a.png", "external_id": "case-1"}]}, upload_id=upload)
    start = script.call("studies_list")["cursor"]
    script.call("uploads_seal", {"count": len(files)}, upload_id=upload)
    work(ward.version)
    state = script.call("uploads_read", upload_id=upload)
    receipt = script.call("uploads_receipt", upload_id=upload)
    page = script.call("studies_list", query={"cursor": start})

    assert [one["state"] for one in received["files"]] == ["received", "received"]
    assert (state["state"], state["items"]["accepted"], state["screenings"]) == ("finished", 2, {"scored": 2})
    assert {item["path"]: item["outcome"] for item in receipt["items"]} == {
        "ward/a.png": "accepted",
        "ward/b.png": "accepted",
        "ward/copy.png": "duplicate",
        "empty.png": "rejected",
    }
    shown = {item["path"]: item["images"][0]["results"][0]["flag"] for item in receipt["items"] if item["images"]}
    assert shown == dict.fromkeys(["ward/a.png", "ward/b.png", "ward/copy.png"], "flagged")
    assert sorted(study["external_id"] or "" for study in page["results"]) == ["", "case-1"]
    assert Screening.objects.count() == 2
    study = page["results"][0]["id"]
    assert script.call("studies_read", study_id=study)["flag"] == "flagged"
    assert script.call("studies_audit", study_id=study)["intact"]
    assert script.call("studies_lookup", {"uids": ["1.2.3"]})["results"] == [
        {"uid": "1.2.3", "study": None, "external_id": None}
    ]
    assert script.call("uploads_retry", upload_id=upload)["queued"] == 0
    assert script.call("studies_purge", study_id=study)["purged"] == study


def test_every_refusal_has_the_announced_shape(ward):
    script = Script(ward.by_token(ward.integrator))
    upload = script.call("uploads_open", {})["id"]
    nobody = "00000000-0000-4000-8000-000000000000"

    assert script.call("uploads_read", upload_id=nobody)["code"] == "not_found"
    assert script.call("uploads_seal", {"count": 5}, upload_id=upload)["code"] == "count_mismatch"
    assert script.call("uploads_open", {"models": ["none"]})["code"] == "unknown_model"
    assert script.send("uploads_files", {}, upload_id=upload)["code"] == "invalid"
    assert script.call("studies_list", query={"limit": 0})["code"] == "invalid"
    assert Script(APIClient()).call("models_list")["code"] == "not_signed_in"
    assert Script(ward.by_token(ward.reviewer)).call("uploads_open", {})["code"] == "not_allowed"


@pytest.mark.parametrize("signed_in", [True, False])
def test_the_page_to_try_the_api_has_no_inline_script_or_style_and_says_the_disclaimer(ward, signed_in):
    client = ward.by_session(ward.integrator) if signed_in else APIClient()

    answer = client.get(reverse("api:docs"))

    page = answer.content.decode()
    assert answer.status_code == 200
    assert DISCLAIMER in page
    assert "<style" not in page
    assert "<script>" not in page
    assert client.get(f"{reverse('api:docs')}?script=").headers["Content-Type"].startswith("application/javascript")


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
def test_a_method_that_an_address_does_not_take_is_refused_in_our_words(ward, method):
    answer = getattr(ward.by_token(ward.integrator), method)("/api/v1/studies/")

    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")


def operations(script):
    return [(name, one.method, one.spec) for name, one in script.operations.items()]


def test_every_operation_shows_an_answer_and_every_code_that_may_come_instead(ward):
    script = Script(ward.by_token(ward.integrator))

    for name, method, spec in operations(script):
        for status, told in spec["responses"].items():
            content = told.get("content", {}).get("application/json")
            if content is None:
                continue
            shown = [one["value"] for one in content.get("examples", {}).values()] or [content["example"]]
            for value in shown:
                script._validate(content["schema"], value)
            if status >= "400":
                assert shown, (name, status)
                assert {one["code"] for one in shown} == set(content["examples"]), (name, status)
        assert {"401", "403", "429", "503"} <= set(spec["responses"]), name
        for status in {"429", "503"} & set(spec["responses"]):
            assert "Retry-After" in spec["responses"][status]["headers"], (name, status)
        keyed = [one["name"] for one in spec.get("parameters", [])].count("Idempotency-Key")
        assert keyed == (1 if method == "post" else 0), name


def test_what_may_be_answered_304_takes_the_tag_that_it_gave(ward):
    cheap = {}
    for name, _, spec in operations(Script(ward.by_token(ward.integrator))):
        tagged = "304" in spec["responses"]
        assert tagged == ("If-None-Match" in [one["name"] for one in spec.get("parameters", [])]), name
        if tagged:
            cheap[name] = spec["responses"]

    assert {"studies_list", "studies_read"} <= set(cheap)
    assert all("ETag" in told[status]["headers"] for told in cheap.values() for status in ("200", "304"))


def test_every_operation_that_takes_json_shows_a_request_that_fits(ward):
    script = Script(ward.by_token(ward.integrator))

    for name, _, spec in operations(script):
        content = spec.get("requestBody", {}).get("content", {}).get("application/json")
        if content is None:
            continue
        shown = [one["value"] for one in content.get("examples", {}).values()] or [content["example"]]
        for value in shown:
            script._validate(content["schema"], value)
        assert shown, name


@pytest.mark.parametrize("accept", ["text/csv", "image/jpeg", "application/xml", "*/*"])
def test_what_a_caller_would_rather_have_changes_no_answer(ward, accept):
    client = ward.by_token(ward.integrator)

    table = client.get("/api/v1/results.csv", headers={"Accept": accept})
    assert table.getvalue()
    assert table["Content-Type"].startswith("text/csv")
    assert client.get("/api/v1/models/", headers={"Accept": accept})["Content-Type"] == "application/json"
    assert client.get("/api/v1/studies/", {"limit": 0}, headers={"Accept": accept}).json()["code"] == "invalid"


def shown_as(media_type, ward):
    """What the file shows of an answer in one form, by operation."""
    for name, _, spec in operations(Script(ward.by_token(ward.integrator))):
        content = spec["responses"].get("200", {}).get("content", {}).get(media_type)
        if content:
            [example] = content["examples"].values()
            yield name, example["value"]


def test_tables_are_shown_with_a_row_and_have_the_columns_that_are_sent(ward):
    client = ward.by_token(ward.integrator)
    sent = b"".join(client.get(reverse("api:results_csv")).streaming_content).decode().splitlines()[0]

    shown = dict(shown_as("text/csv", ward))
    lines = dict(shown_as("application/x-ndjson", ward))

    assert shown["results_csv"].splitlines()[0] == sent
    assert [len(text.splitlines()) for text in shown.values()] == [2] * len(shown)
    assert list(json.loads(lines["results_ndjson"])) == [name.strip('"') for name in sent.split(",")]
    assert set(shown) == {"results_csv", "uploads_receipt_csv"}


def test_fhir_is_shown_as_a_bundle_whose_parts_refer_to_each_other_in_the_words_of_the_real_one(ward):
    [(_, shown)] = shown_as("application/fhir+json", ward)
    bundle = Bundle.model_validate(shown)
    names = {entry.fullUrl for entry in bundle.entry}

    assert [entry.resource.get_resource_type() for entry in bundle.entry] == [
        "DiagnosticReport",
        "Observation",
        "Device",
    ]
    referred = set(re.findall(r'"reference": ?"([^"]+)"', json.dumps(shown)))
    assert referred
    assert referred <= names
    ours = {
        f"{fhir.OURS}:{kind}" for kind in ("document", "study", "observation", "outcome", "score", "operating-point")
    }
    assert set(re.findall(r'"system": ?"([^"]+)"', json.dumps(shown))) == ours | {
        f"{fhir.OURS}:model-sha256",
        *(fhir.LOINC, fhir.SECTION, fhir.CATEGORY, fhir.UNIT["system"]),
    }
    report, score, _ = (entry["resource"] for entry in shown["entry"])
    assert fhir.CAUTION in report["conclusion"]
    assert (report["status"], score["status"]) == ("preliminary", "preliminary")
