"""The sandbox: every outcome, through the product's own services, under a name that says what it is."""

import io
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from rest_framework.test import APIClient

from ml.vocabulary import NotAssessed
from screening.flows.documents import Kind, wanted
from screening.flows.integrity import find_violations
from screening.flows.scripted import answer_scripted
from screening.results.leases import lanes_with_work
from screening.results.models import Explanation, ModelVersion, Screening, ScreeningState
from screening.results.selectors import chosen_models
from screening.studies.models import Study
from screening.uploads.models import Item, ItemState, Upload, UploadState
from screening.users.models import ApiToken, Site
from tests.factories import ModelVersionFactory, ScreeningFactory
from workers.crew import Stop
from workers.inference import screen_somewhere
from workers.sandbox.errors import SandboxExists
from workers.sandbox.making import make_sandbox
from workers.upkeep import look_after

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def made():
    ModelVersionFactory()
    return make_sandbox("SANDBOX")


def by_name(made) -> dict[str, Screening]:
    rows = Screening.objects.filter(site=made.site).select_related("study")
    return {row.study.external_id.removeprefix("sandbox-"): row for row in rows}


def test_every_outcome_is_there_once_under_an_external_id_that_names_it(made):
    rows = by_name(made)

    assert (rows["flagged"].state, rows["flagged"].flagged) == (ScreeningState.SCORED, True)
    assert (rows["not-flagged"].state, rows["not-flagged"].flagged) == (ScreeningState.SCORED, False)
    assert rows["failed"].state == ScreeningState.FAILED
    assert rows["quarantined"].state == ScreeningState.QUARANTINED
    assert rows["retried"].state == ScreeningState.SCORED
    reasons = {row.code for name, row in rows.items() if name.startswith("inconclusive-")}
    assert reasons == {reason.value for reason in NotAssessed}
    states = set(Item.objects.filter(upload__site=made.site).values_list("state", flat=True))
    terminal = {ItemState.ACCEPTED, ItemState.DUPLICATE, ItemState.REJECTED, ItemState.NOT_SENT, ItemState.CANCELLED}
    assert states == terminal
    assert list(find_violations()) == []


def test_documents_can_be_had_of_the_flagged_study(made):
    study = Study.objects.get(external_id="sandbox-flagged")

    assert Explanation.objects.get(screening__study=study).state == "drawn"
    assert {kind: wanted(study, kind).path.parent.is_dir() for kind in Kind} == dict.fromkeys(Kind, True)


def test_names_and_model_say_sandbox_and_nobody_is_offered_the_script(made):
    assert made.site.name.startswith("SANDBOX")
    assert all(
        name.startswith("SANDBOX") for name in Upload.objects.filter(site=made.site).values_list("name", flat=True)
    )
    script = ModelVersion.objects.get(slug="sandbox-script")
    assert not script.active
    assert script.title.startswith("SANDBOX")
    assert script not in chosen_models([])


def test_token_reads_the_sandbox_and_nothing_else(made):
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Token {made.secret}")

    answer = client.get("/api/v1/studies/", {"limit": 100}).json()

    names = {one["external_id"] for one in answer["results"]}
    assert "sandbox-flagged" in names
    assert all(name.startswith("sandbox-") for name in names)
    assert ApiToken.objects.get().site == made.site


def test_inference_workers_leave_the_script_alone():
    script = ModelVersionFactory(slug="sandbox-script")
    row = ScreeningFactory(model_version=script)

    assert lanes_with_work() == []
    assert not screen_somewhere(Stop())
    row.refresh_from_db()
    assert row.state == ScreeningState.WAITING


def test_what_is_tried_again_in_the_sandbox_is_answered_as_not_flagged_and_the_uploads_finish(made):
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Token {made.secret}")
    upload = Upload.objects.get(name="SANDBOX outcomes")

    assert client.post(f"/api/v1/uploads/{upload.pk}/retry/").json()["queued"] == 2
    look_after()

    rows = by_name(made)
    assert {(rows[name].state, rows[name].flagged) for name in ("failed", "quarantined")} == {
        (ScreeningState.SCORED, False)
    }
    upload.refresh_from_db()
    assert upload.state == UploadState.FINISHED
    assert list(find_violations()) == []


def test_the_script_keeps_away_from_a_sandbox_that_is_being_made():
    row = ScreeningFactory(model_version=ModelVersionFactory(slug="sandbox-script"))

    assert answer_scripted() == 0

    Screening.objects.update(created_at=timezone.now() - timedelta(minutes=11))
    assert answer_scripted() == 1
    row.refresh_from_db()
    assert row.state == ScreeningState.SCORED


def test_a_site_that_is_there_or_that_does_not_say_sandbox_is_refused(made):
    for name in ("SANDBOX", "Ward 3"):
        with pytest.raises(SandboxExists):
            make_sandbox(name)
    with pytest.raises(CommandError, match="sandbox_exists"):
        call_command("make_sandbox", site="Ward 3")
    assert Site.objects.filter(name__startswith="SANDBOX").count() == 1


def test_command_prints_the_token_once_and_original_identifiers_by_which_each_study_is_looked_up():
    out = io.StringIO()

    call_command("make_sandbox", site="SANDBOX two", stdout=out)

    secret = out.getvalue().split("token: ")[1].split()[0]
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Token {secret}")
    assert client.get("/api/v1/studies/").status_code == 200
    told = [line.split() for line in out.getvalue().splitlines() if line.startswith("sandbox-")]
    assert {name for name, *_ in told} == set(Study.objects.values_list("external_id", flat=True))
    for name, *uids in told:
        found = client.post("/api/v1/studies/lookup/", {"uids": uids}, format="json").json()["results"]
        assert [one["external_id"] for one in found] == [name] * 3
