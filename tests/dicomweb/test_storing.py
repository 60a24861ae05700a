"""STOW-RS through Django's client; `test_server.py` sends to a server that runs."""

import errno
import json
import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from ml.vocabulary import pseudonymous_uid
from screening.audit.actor import Actor
from screening.dicomweb import storing
from screening.errors import ClosedMeanwhile
from screening.flows import intake
from screening.flows.acts import seal_idle_uploads, seal_upload
from screening.logs import without_secrets
from screening.uploads import storage
from screening.uploads.models import Item, ItemState, Upload, UploadState
from screening.users.keys import site_key
from screening.users.models import Scope
from tests.dicomweb.conftest import object_of
from tests.phantoms import DX, png_file
from tests.route_world import related
from tests.stores import incoming

STUDIES = "/dicomweb/studies"


def stow(client, *files: bytes, study: str = "", **headers: str):
    content_type, body = related(list(files))
    return client.post(f"{STUDIES}{study}", body, content_type=content_type, headers=headers)


def named(answer, tag: str) -> list[str]:
    """The instances that an answer names under FailedSOPSequence or ReferencedSOPSequence."""
    return [item["00081155"].get("Value", [""])[0] for item in answer.json().get(tag, {"Value": []})["Value"]]


def reasons(answer) -> list[int]:
    return [item["00081197"]["Value"][0] for item in answer.json()["00081198"]["Value"]]


def quiet_since(seconds: int) -> None:
    Upload.objects.update(last_seen_at=timezone.now() - timedelta(seconds=seconds))


def test_objects_are_received_and_told_with_where_they_will_be(ward, stores: Path):
    client = ward.by_token(ward.integrator, Scope.UPLOAD)

    answer = stow(client, object_of(1), object_of(2, study=1))

    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/dicom+json")
    key = site_key(ward.site.pk)
    study = f"http://testserver{STUDIES}/{pseudonymous_uid(key, '1.2.3.6.1')}"
    assert answer.json()["00081190"] == {"vr": "UR", "Value": [study]}
    first = answer.json()["00081199"]["Value"][0]
    series, instance = pseudonymous_uid(key, "1.2.3.5.1"), pseudonymous_uid(key, "1.2.3.4.1")
    assert first == {
        "00081150": {"vr": "UI", "Value": [str(DX)]},
        "00081155": {"vr": "UI", "Value": ["1.2.3.4.1"]},
        "00081190": {"vr": "UR", "Value": [f"{study}/series/{series}/instances/{instance}"]},
    }
    upload = Upload.objects.get()
    assert (upload.site, upload.created_by, upload.state) == (ward.site, ward.integrator, UploadState.OPEN)
    items = Item.objects.order_by("path")
    assert [(item.state, item.path.rpartition("/")[0]) for item in items] == [
        (ItemState.RECEIVED, "1.2.3.6.1/1.2.3.4.1"),
        (ItemState.RECEIVED, "1.2.3.6.1/1.2.3.4.2"),
    ]
    assert sorted(item.incoming for item in items) == [path.name for path in incoming(stores)]
    assert (stores / "incoming" / items[0].incoming).read_bytes() == object_of(1)
    assert f"/api/v1/uploads/{upload.pk}/receipt/" in answer.headers["Link"]


def test_the_same_again_is_a_success_and_changes_nothing(ward, stores: Path):
    client = ward.by_token(ward.integrator, Scope.UPLOAD)
    stow(client, object_of(1))

    again = stow(client, object_of(1), object_of(1))

    assert (again.status_code, named(again, "00081199")) == (200, ["1.2.3.4.1"] * 2)
    assert Item.objects.count() == len(incoming(stores)) == 1


def test_requests_share_an_upload_until_nothing_came_for_the_quiet_period(ward, stores: Path):
    client = ward.by_token(ward.integrator, Scope.UPLOAD)
    stow(client, object_of(1))
    quiet_since(50)
    stow(client, object_of(2))
    assert seal_idle_uploads() == 0

    quiet_since(61)
    assert seal_idle_uploads() == 1
    stow(client, object_of(3))

    told = [(one.state, one.items.count()) for one in Upload.objects.order_by("created_at")]
    assert told == [(UploadState.SEALED, 2), (UploadState.OPEN, 1)]


def test_an_upload_that_a_person_opened_is_not_sealed_by_a_quiet_minute(ward, stores: Path):
    ward.by_token(ward.integrator).post("/api/v1/uploads/", {"name": "by hand"})
    quiet_since(3600)

    assert seal_idle_uploads() == 0
    assert Upload.objects.get().state == UploadState.OPEN


def test_what_comes_between_the_look_and_the_lock_keeps_the_upload_open(ward, stores: Path, monkeypatch):
    client = ward.by_token(ward.integrator, Scope.UPLOAD)
    stow(client, object_of(1))
    quiet_since(61)
    seal = intake.seal_upload.__globals__["_seal_if_unseen"]

    def late(upload_id, since):
        stow(client, object_of(2))
        return seal(upload_id, since)

    monkeypatch.setattr("screening.flows.acts._seal_if_unseen", late)

    assert seal_idle_uploads() == 0
    assert Upload.objects.get().state == UploadState.OPEN


def test_a_sender_that_is_never_quiet_begins_another_upload(ward, stores: Path, monkeypatch):
    client = ward.by_token(ward.integrator, Scope.UPLOAD)
    stow(client, object_of(1))
    monkeypatch.setattr(intake, "TURN_SECONDS", 7)
    stow(client, object_of(2))

    assert [one.items.count() for one in Upload.objects.order_by("created_at")] == [1, 1]


def test_a_full_upload_is_sealed_and_the_rest_goes_into_the_next(ward, stores: Path, settings):
    client = ward.by_token(ward.integrator, Scope.UPLOAD)
    settings.CONFIG = _with_limit(settings.CONFIG, files=2)
    stow(client, object_of(1), object_of(2))

    answer = stow(client, object_of(3))

    assert answer.status_code == 200
    told = [(one.state, one.items.count()) for one in Upload.objects.order_by("created_at")]
    assert told == [(UploadState.SEALED, 2), (UploadState.OPEN, 1)]


def _with_limit(config, **limits: int):
    return replace(config, limits=replace(config.limits, **limits))


def test_of_some_that_cannot_be_taken_the_answer_says_which_and_why(ward, stores: Path):
    client = ward.by_token(ward.integrator, Scope.UPLOAD)

    answer = stow(client, object_of(1), png_file(), object_of(2), study="/1.2.3.6.1")

    assert answer.status_code == 202
    assert named(answer, "00081199") == ["1.2.3.4.1"]
    assert named(answer, "00081198") == ["", "1.2.3.4.2"]
    assert reasons(answer) == [0xC000, 0xA900]
    assert len(incoming(stores)) == Item.objects.count() == 1


def test_a_request_of_which_nothing_can_be_taken_is_a_conflict_and_keeps_nothing(ward, stores: Path):
    answer = stow(ward.by_token(ward.integrator, Scope.UPLOAD), object_of(1), study="/1.2.3.6.77")

    assert (answer.status_code, reasons(answer)) == (409, [0xA900])
    assert incoming(stores) == []
    assert not Upload.objects.exists()


def test_an_object_over_the_limit_is_refused_alone(ward, stores: Path, settings):
    settings.CONFIG = _with_limit(settings.CONFIG, file_bytes=len(object_of(1)))

    answer = stow(ward.by_token(ward.integrator, Scope.UPLOAD), object_of(1), object_of(22, PatientName="x" * 60))

    assert (answer.status_code, reasons(answer)) == (202, [0xA700])
    assert Item.objects.count() == len(incoming(stores)) == 1


def test_more_objects_than_a_request_may_hold_are_refused(ward, stores: Path, monkeypatch):
    monkeypatch.setattr(storing, "MOST_PARTS", 2)

    answer = stow(ward.by_token(ward.integrator, Scope.UPLOAD), *(object_of(n) for n in range(3)))

    assert (answer.status_code, answer.json()["code"]) == (413, "limit_exceeded")
    assert incoming(stores) == []


def test_a_body_that_is_cut_off_leaves_nothing_that_was_not_handed_over(ward, stores: Path):
    client = ward.by_token(ward.integrator, Scope.UPLOAD)
    content_type, body = related([object_of(1), object_of(2)])

    answer = client.post(STUDIES, body[:-60], content_type=content_type)

    assert (answer.status_code, answer.json()["code"]) == (400, "unreadable_body")
    assert incoming(stores) == []
    assert not Upload.objects.exists()


def test_a_full_disk_is_503_with_when_to_try_again_and_leaves_nothing(ward, stores: Path, monkeypatch):
    client = ward.by_token(ward.integrator, Scope.UPLOAD)

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(storage.os, "fsync", full)
    answer = stow(client, object_of(1))

    assert (answer.status_code, answer.json()["code"]) == (503, "storage_full")
    assert int(answer.headers["Retry-After"]) > 0
    assert incoming(stores) == []
    assert not Item.objects.exists()


def test_an_upload_sealed_between_offer_and_bytes_asks_the_sender_to_send_again(ward, stores: Path, monkeypatch):
    client = ward.by_token(ward.integrator, Scope.UPLOAD)
    receive = intake.receive_stored

    def sealed_first(*, upload_id, files, actor):
        seal_upload(upload_id=upload_id, count=None, actor=Actor.user(ward.staff))
        return receive(upload_id=upload_id, files=files, actor=actor)

    monkeypatch.setattr(intake, "receive_stored", sealed_first)
    refused = stow(client, object_of(1))
    monkeypatch.undo()
    again = stow(client, object_of(1))

    assert (refused.status_code, refused.json()["code"]) == (503, ClosedMeanwhile.code)
    assert refused.headers["Retry-After"] == "1"
    assert again.status_code == 200
    assert sorted(Item.objects.values_list("state", flat=True)) == [ItemState.NOT_SENT, ItemState.RECEIVED]


@pytest.mark.parametrize(
    ("headers", "content_type", "status"),
    [
        ({}, "application/dicom", 415),
        ({}, 'multipart/related; type="application/dicom+json"; boundary=x', 415),
        ({"Accept": "application/dicom+xml"}, None, 406),
    ],
)
def test_other_types_are_refused(ward, stores: Path, headers, content_type, status):
    told, body = related([object_of(1)])
    client = ward.by_token(ward.integrator, Scope.UPLOAD)

    answer = client.post(STUDIES, body, content_type=content_type or told, headers=headers)

    assert answer.status_code == status
    assert not Upload.objects.exists()


def test_identifiers_in_addresses_reach_no_log_line(ward, stores: Path):
    line = {"event": "Not Found: /dicomweb/studies/1.2.826.4711", "request": "POST /dicomweb/studies/1.2.826.4711?a=b"}

    assert "4711" not in json.dumps(without_secrets(None, "", line))
