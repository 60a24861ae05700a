"""A patient's name planted wherever a file can carry one, sent through the API and a real ingest worker.

Afterwards the name is looked for everywhere. It may stand in one place: the path on the uploader's receipt.
"""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from django.apps import apps
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import models
from django.test import Client
from django.urls import reverse
from pydicom.dataset import Dataset

from screening.audit.actor import Actor
from screening.flows.scored import record_outcomes
from screening.people.tokens import make_token
from screening.results.leases import claim_batch
from screening.studies.models import Study
from screening.studies.values import ModelIdentity, ScreenOutcome
from screening.uploads.models import Item, ItemState, Upload
from screening.users.models import Role, Scope
from tests.factories import MembershipFactory, ModelVersionFactory, SiteFactory, UserFactory
from tests.phantoms import dicom_file, jpeg_file, png_file
from tests.workers.processes import Process, running, until

pytestmark = pytest.mark.django_db(transaction=True)

NAME, RECORD = "Quillfeather^Zebedee", "QF-0815-ZB"
PLANTED = (b"quillfeather", b"zebedee", b"qf-0815-zb")
# Twenty attributes of many value representations, none of which may survive ingest.
TAGS = {
    "PatientName": NAME,
    "PatientID": RECORD,
    "OtherPatientNames": NAME,
    "OtherPatientIDs": RECORD,
    "PatientBirthName": NAME,
    "PatientMotherBirthName": NAME,
    "PatientAddress": f"1 {NAME} Street",
    "PatientComments": f"Seen {NAME}",
    "ReferringPhysicianName": NAME,
    "PerformingPhysicianName": NAME,
    "OperatorsName": NAME,
    "InstitutionName": f"{NAME} Hospital",
    "StudyDescription": f"Thorax {NAME}",
    "SeriesDescription": f"PA {NAME}",
    "ImageComments": NAME,
    "AccessionNumber": RECORD,
    "StudyID": RECORD,
    "RequestedProcedureDescription": NAME,
    "AdditionalPatientHistory": f"History of {NAME}",
    "ProtocolName": f"Chest {NAME}",
}


def _nested_and_private(made: Dataset) -> None:
    inner = Dataset()
    inner.PatientName = NAME
    inner.RequestedProcedureID = RECORD
    made.RequestAttributesSequence = [inner]
    block = made.private_block(0x0099, "QUILLFEATHER", create=True)
    block.add_new(0x01, "LO", NAME)


FILES = {
    f"{NAME}/chest.dcm": dicom_file(change=_nested_and_private, **TAGS),
    f"{NAME}/scan.png": png_file(text=f"{NAME} {RECORD}"),
    f"ward/{RECORD} {NAME}.jpg": jpeg_file(text=f"{NAME} {RECORD}"),
    f"{NAME}/notes.txt": f"About {NAME}".encode(),
}


@pytest.fixture
def people():
    site = SiteFactory()
    return {role: MembershipFactory(site=site, role=role).user for role in Role} | {"site": site}


def _sent(people, version) -> Upload:
    """Send the files as a program does that knows only the API."""
    staff, site = people[Role.STAFF], people["site"]
    secret = make_token(user=staff, site=site, name="night", scopes=[Scope.UPLOAD, Scope.READ], days=1).secret
    client, headers = Client(), {"Authorization": f"Token {secret}"}
    body = {"name": "night run", "site": str(site.pk), "models": [version.name]}
    opened = client.post("/api/v1/uploads/", body, content_type="application/json", headers=headers)
    assert opened.status_code == 201, opened.content
    upload = Upload.objects.get()
    offered = [
        {"path": path, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()} for path, data in FILES.items()
    ]
    address = f"/api/v1/uploads/{upload.pk}/"
    checked = client.post(f"{address}check/", {"files": offered}, content_type="application/json", headers=headers)
    assert checked.status_code == 200, checked.content
    parts = {
        "path": list(FILES),
        "file": [SimpleUploadedFile(Path(path).name, data) for path, data in FILES.items()],
    }
    sent = client.post(f"{address}files/", parts, headers=headers)
    assert sent.status_code == 200, sent.content
    sealed = client.post(f"{address}seal/", {"count": len(FILES)}, content_type="application/json", headers=headers)
    assert sealed.status_code == 202, sealed.content
    return upload


def _screened(version) -> None:
    lease, rows = claim_batch(model_version_id=version.pk, limit=10)
    outcome = ScreenOutcome(kind="scored", scores={"covid": 0.9, "normal": 0.1})
    record_outcomes(
        lease=lease,
        model=ModelIdentity(name=version.name, sha256="a" * 64, runtime="none", precision="fp32"),
        outcomes={row.pk: outcome for row in rows},
        timings={},
        actor=Actor.service("inference"),
    )


def _in_database() -> Iterator[tuple[str, bytes]]:
    """Every text of every row, except the paths that the receipt shows to the uploader."""
    for model in apps.get_models():
        columns = [f.attname for f in model._meta.concrete_fields if not isinstance(f, models.BinaryField)]
        if model is Item:
            columns.remove("path")
        for row in model._default_manager.values_list(*columns):
            yield model._meta.label, json.dumps(row, default=str).encode()


def _on_disk() -> Iterator[tuple[str, bytes]]:
    for root in (settings.BLOB_ROOT, settings.INCOMING_ROOT):
        for path in Path(root).rglob("*"):
            yield "a file's name", str(path).encode()
            if path.is_file():
                yield "a kept file", path.read_bytes()


def _in_broker(url: str) -> Iterator[tuple[str, bytes]]:
    client = redis.Redis.from_url(url.replace("redis+socket://", "unix://").split("?")[0])
    for key in client.scan_iter():
        yield "a key of the broker", key
        yield "a value of the broker", client.dump(key) or b""


def _seen_by(user, study: Study, upload: Upload) -> Iterator[tuple[str, bytes]]:
    """Pages and answers that somebody who is not staff can open, refusals included."""
    client = Client(raise_request_exception=False)
    client.force_login(user)
    addresses = [
        reverse("home"),
        reverse("review:worklist"),
        reverse("review:study", args=[study.pk]),
        reverse("api:studies"),
        reverse("api:study", args=[study.pk]),
        reverse("api:audit", args=[study.pk]),
        reverse("api:upload", args=[upload.pk]),
        reverse("api:receipt", args=[upload.pk]),
        reverse("api:receipt_csv", args=[upload.pk]),
        reverse("desk:detail", args=[upload.pk]),
        reverse("desk:receipt", args=[upload.pk]),
        "/no/such/page/",
    ]
    for address in addresses:
        answer = client.get(address, follow=True)
        body = b"".join(answer.streaming_content) if answer.streaming else answer.content
        yield f"{address} for {user.username}", body + str(answer.headers).encode()


def _hits(places: Iterator[tuple[str, bytes]]) -> list[str]:
    return [where for where, what in places if any(name in what.lower() for name in PLANTED)]


def test_a_planted_name_is_found_nowhere_but_on_the_uploaders_receipt(
    people, broker, child_environment, tmp_path, caplog
):
    caplog.set_level("DEBUG")
    version = ModelVersionFactory()
    ingest = Process("ingest", child_environment(), tmp_path).start()
    with running(ingest):
        upload = _sent(people, version)
        decided = Item.objects.exclude(state__in=(ItemState.RECEIVED, ItemState.DECODING))
        until(lambda: decided.count() == len(FILES), 120, f"ingest did not end:\n{ingest.tail()}")
    _screened(version)
    study = Study.objects.filter(grouping__startswith="uid:").get()

    staff = Client()
    staff.force_login(people[Role.STAFF])
    receipt = json.loads(b"".join(staff.get(reverse("api:receipt", args=[upload.pk])).streaming_content))

    assert sorted(item["path"] for item in receipt["items"]) == sorted(FILES)
    assert sorted(i["outcome"] for i in receipt["items"]) == ["accepted", "accepted", "accepted", "rejected"]
    assert _hits(_in_database()) == []
    assert _hits(_on_disk()) == []
    assert _hits(_in_broker(broker)) == []
    assert _hits((r.name, r.getMessage().encode()) for r in caplog.records) == []
    assert _hits([("the worker's log", ingest.log.read_bytes())]) == []
    for role in (Role.REVIEWER, Role.INTEGRATOR):
        assert _hits(_seen_by(people[role], study, upload)) == []
    assert _hits(_seen_by(UserFactory(), study, upload)) == []


def test_the_planted_name_would_be_found_if_it_were_there():
    SiteFactory(name=f"Ward of {NAME}")

    assert _hits(_in_database()) == ["users.Site"]
    assert all(any(name in data.lower() for name in PLANTED) for data in FILES.values())
