import pytest
from django.db import transaction

from ml.vocabulary import pseudonymous_uid
from screening.audit.actor import Actor
from screening.audit.models import AuditEvent, ChainKind
from screening.audit.services import Draft, record
from screening.review.models import Review
from screening.studies.models import Image, Study
from screening.uploads.storage import blob_folder
from screening.users.keys import site_key
from screening.users.models import Scope
from tests.api.conftest import refusal
from tests.factories import ImageFactory, ItemFactory, ScreeningFactory, StudyFactory, UploadFactory

URL = "/api/v1/studies/"


@pytest.fixture
def study(ward):
    made = StudyFactory(
        upload=UploadFactory(site=ward.site, sealed=True, created_by=ward.integrator), flagged_ready=True
    )
    ScreeningFactory(image=ImageFactory(study=made), model_version=ward.version, scored_flagged=True)
    return made


def put_events(study, *actions):
    with transaction.atomic():
        record(Actor("user:1"), [Draft(ChainKind.STUDY, study.pk, study.site_id, action) for action in actions])


def test_the_chain_of_a_study_is_shown_and_verified(ward, study):
    put_events(study, "study:screening", "study:ready")

    body = ward.by_token(ward.integrator).get(f"{URL}{study.pk}/audit/").json()

    assert (body["chain"], body["intact"], body["broken_at"]) == (f"study:{study.pk}", True, None)
    assert [(event["seq"], event["action"]) for event in body["events"]] == [(1, "study:screening"), (2, "study:ready")]
    assert body["events"][1]["previous"] == body["events"][0]["hash"]


def test_a_chain_that_somebody_cut_is_shown_as_broken(ward, study):
    put_events(study, "study:screening")
    head = AuditEvent.objects.get().hash
    AuditEvent.objects.create(
        chain=f"study:{study.pk}",
        seq=2,
        site_id=study.site_id,
        at=AuditEvent.objects.get().at,
        action="study:forged",
        actor="user:9",
        previous=head,
        hash="0" * 64,
    )

    body = ward.by_token(ward.integrator).get(f"{URL}{study.pk}/audit/").json()

    assert (body["intact"], body["broken_at"]) == (False, 2)
    assert body["reason"]


def review(client, study, answers=None, **more):
    body = {"answers": {"covid": {"answer": "present"}} if answers is None else answers, **more}
    return client.post(f"{URL}{study.pk}/reviews/", body)


def test_a_reviewer_answers_every_finding(ward, study):
    answer = review(ward.by_token(ward.reviewer), study, comment="Lower left.")

    assert answer.status_code == 201
    [given] = answer.json()["reviews"]
    assert (given["finding"], given["answer"], given["comment"]) == ("covid", "present", "Lower left.")
    assert given["reader"] == f"user:{ward.reviewer.pk}"
    assert Review.objects.get().reader == ward.reviewer
    assert Study.objects.get(pk=study.pk).state == "reviewed"


def test_a_standing_answer_is_part_of_the_study_and_a_new_one_takes_its_place(ward, study):
    client = ward.by_token(ward.reviewer)
    review(client, study)
    review(client, study, {"covid": {"answer": "not_assessable", "reason": "rotated"}})

    [standing] = client.get(f"{URL}{study.pk}/").json()["reviews"]

    assert (standing["answer"], standing["reason"]) == ("not_assessable", "rotated")
    assert Review.objects.count() == 2


@pytest.mark.parametrize("who", ["staff", "integrator"])
def test_who_is_no_reader_answers_nothing(ward, study, who):
    assert refusal(review(ward.by_token(getattr(ward, who)), study)) == (403, "not_allowed")
    assert not Review.objects.exists()


def test_a_token_without_the_scope_to_review_answers_nothing(ward, study):
    client = ward.by_token(ward.reviewer, Scope.READ, Scope.UPLOAD)

    assert refusal(review(client, study)) == (403, "not_allowed")
    assert not Review.objects.exists()


@pytest.mark.parametrize(
    ("answers", "code"),
    [
        ({}, "invalid_answer"),
        ({"covid": {"answer": "present"}, "flu": {"answer": "absent"}}, "invalid_answer"),
        ({"covid": {"answer": "not_assessable"}}, "invalid_answer"),
        ({"covid": {"answer": "confirmed"}}, "invalid"),
        ({"covid": "present"}, "invalid"),
    ],
    ids=["none", "unknown finding", "no reason", "unknown answer", "no object"],
)
def test_an_answer_that_is_not_whole_is_refused_and_nothing_is_recorded(ward, study, answers, code):
    assert refusal(review(ward.by_token(ward.reviewer), study, answers)) == (400, code)
    assert not Review.objects.exists()
    assert Study.objects.get(pk=study.pk).state == "ready"


@pytest.mark.parametrize("who", ["staff", "admin", "integrator"])
def test_the_staff_and_the_uploader_delete_a_study(ward, study, who):
    client = ward.by_token(getattr(ward, who))

    answer = client.delete(f"{URL}{study.pk}/")

    assert answer.json()["purged"] == str(study.pk)
    body = client.get(f"{URL}{study.pk}/").json()
    assert (body["state"], body["images"], body["flag"]) == ("purged", [], "not assessed")
    assert not Image.objects.exists()


@pytest.mark.parametrize("who", ["reviewer", "other_integrator"])
def test_others_delete_no_study(ward, study, who):
    assert refusal(ward.by_token(getattr(ward, who)).delete(f"{URL}{study.pk}/")) == (403, "not_allowed")
    assert Image.objects.exists()


def test_an_integrator_deletes_no_study_that_others_sent_a_part_of(ward, study):
    first = UploadFactory(site=ward.site, finished=True, created_by=ward.staff)
    early = ImageFactory(study=study)
    ItemFactory(upload=first, accepted=True, sha256=early.sha256, study_id=study.pk)
    late = study.images.exclude(pk=early.pk).get()
    ItemFactory(upload=study.upload, accepted=True, sha256=late.sha256, study_id=study.pk)

    answer = ward.by_token(ward.integrator).delete(f"{URL}{study.pk}/")

    assert refusal(answer) == (403, "not_allowed")
    assert study.images.count() == 2
    assert ward.by_token(ward.staff).delete(f"{URL}{study.pk}/").status_code == 200


def preview_of(image) -> str:
    return f"/api/v1/images/{image.pk}/preview/"


def test_a_preview_is_for_members_and_never_kept_on_the_way(ward, study):
    image = Image.objects.get()
    folder = blob_folder(image.site_id, image.sha256)
    folder.mkdir(parents=True)
    (folder / "0.jpg").write_bytes(b"\xff\xd8 a picture")

    answer = ward.by_token(ward.integrator).get(preview_of(image))

    assert answer.getvalue() == b"\xff\xd8 a picture"
    assert answer["Content-Type"] == "image/jpeg"
    assert answer["Cache-Control"] == "private, no-store"
    assert answer["X-Content-Type-Options"] == "nosniff"
    stranger = ward.by_token(ward.stranger, site=ward.elsewhere)
    assert refusal(stranger.get(preview_of(image))) == (404, "not_found")


def test_a_preview_that_is_gone_is_not_found(ward, study):
    assert refusal(ward.by_token(ward.integrator).get(preview_of(Image.objects.get()))) == (404, "not_found")


def lookup(client, *uids):
    return client.post(f"{URL}lookup/", {"uids": list(uids)})


def test_original_identifiers_of_study_series_and_instance_lead_to_the_study(ward):
    key = site_key(ward.site.pk)
    made = StudyFactory(
        upload=UploadFactory(site=ward.site), grouping=f"uid:{pseudonymous_uid(key, '1.2.3')}", external_id="case-1"
    )
    ImageFactory(
        study=made, series_uid=pseudonymous_uid(key, "1.2.3.4"), instance_uid=pseudonymous_uid(key, "1.2.3.4.5")
    )

    body = lookup(ward.by_token(ward.integrator), "9.9", "1.2.3", "1.2.3.4", "1.2.3.4.5").json()

    assert [row["study"] for row in body["results"]] == [None, *[str(made.pk)] * 3]
    assert [row["external_id"] for row in body["results"]] == [None, "case-1", "case-1", "case-1"]


def test_another_sites_studies_are_not_found_by_their_identifiers(ward):
    uid = pseudonymous_uid(site_key(ward.elsewhere.pk), "1.2.3")
    StudyFactory(upload=UploadFactory(site=ward.elsewhere), grouping=f"uid:{uid}")

    assert lookup(ward.by_token(ward.integrator), "1.2.3").json()["results"][0]["study"] is None


@pytest.mark.parametrize("uid", ["", "1.2.x", "1" * 65, "1.2\n", "\u0661"], ids=ascii)
def test_what_is_no_identifier_is_not_looked_for(ward, uid):
    assert refusal(lookup(ward.by_token(ward.integrator), f"{uid}!"))[0] == 400


def test_a_purged_study_is_not_found_by_its_identifier(ward):
    made = StudyFactory(
        upload=UploadFactory(site=ward.site),
        grouping=f"uid:{pseudonymous_uid(site_key(ward.site.pk), '1.2.3')}",
        state="purged",
    )
    ItemFactory(study_id=made.pk)

    assert lookup(ward.by_token(ward.integrator), "1.2.3").json()["results"][0]["study"] is None


def test_models_come_with_their_cards(ward):
    ward.version.card = {"slug": "xray-one", "limits": ["adults"]}
    ward.version.save()

    [model] = ward.by_token(ward.integrator).get("/api/v1/models/").json()["results"]

    assert (model["name"], model["flag_labels"], model["card"]["limits"]) == ("xray-one@1.0.0", ["covid"], ["adults"])


def test_a_retired_model_is_not_among_them(ward):
    ward.version.active = False
    ward.version.save()

    assert ward.by_token(ward.integrator).get("/api/v1/models/").json()["results"] == []


def test_a_study_that_no_model_asks_about_is_answered_in_general_and_never_by_nothing(ward):
    study = StudyFactory(upload=UploadFactory(site=ward.site, sealed=True), incomplete=True)
    caller = ward.by_token(ward.reviewer)
    address = f"{URL}{study.pk}/reviews/"

    refused = caller.post(address, {"answers": {}}, format="json")

    assert refusal(refused) == (400, "invalid_answer")
    assert "unspecified" in refused.json()["message"]
    study.refresh_from_db()
    assert (study.state, Review.objects.exists()) == ("incomplete", False)
    taken = caller.post(address, {"answers": {"unspecified": {"answer": "absent"}}}, format="json")
    assert (taken.status_code, taken.json()["reviews"][0]["finding"]) == (201, "unspecified")
