import os

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.test import APIClient

from screening.api import handlers
from screening.uploads.models import Item, ItemState, Upload
from tests.api.conftest import offer, open_upload, refusal, send
from tests.stores import incoming
from tests.uploads.bringing import limit
from tests.uploads.test_storage import files_no_larger_than

A, B = b"picture a", os.urandom(200_000)


@pytest.fixture
def client(ward):
    return ward.by_token(ward.integrator)


@pytest.fixture
def url(client):
    return open_upload(client)


def test_files_are_stored_and_answered_in_their_order(client, url, stores):
    offer(client, url, {"ward/a.png": A, "ward/b.png": B})

    answer = send(client, url, {"ward/b.png": B, "ward/a.png": A})

    files = answer.json()["files"]
    assert answer.status_code == 200
    assert [(one["path"], one["state"]) for one in files] == [("ward/b.png", "received"), ("ward/a.png", "received")]
    assert sorted(path.read_bytes() for path in incoming(stores)) == sorted([A, B])
    assert set(Item.objects.values_list("state", flat=True)) == {ItemState.RECEIVED}


def test_each_refusal_costs_only_its_own_file(client, url, stores):
    offer(client, url, {"a.png": A, "b.png": B})

    answer = send(client, url, {"a.png": A, "b.png": b"damaged", "c.png": b"never offered"})

    codes = [(one["state"], one["code"]) for one in answer.json()["files"]]
    assert codes == [("received", ""), ("rejected", "hash_mismatch"), ("rejected", "not_offered")]
    assert [path.read_bytes() for path in incoming(stores)] == [A]


def test_sending_again_after_a_lost_answer_stores_nothing_twice(client, url, stores):
    offer(client, url, {"a.png": A})
    send(client, url, {"a.png": A})

    answer = send(client, url, {"a.png": A})

    assert answer.json()["files"][0]["state"] == "received"
    assert len(incoming(stores)) == 1


def form(client, url, **fields):
    return client.post(f"{url}files/", fields, format="multipart")


def file(data: bytes = A, name: str = "file") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, data)


@pytest.mark.parametrize(
    "fields",
    [
        {"path": ["a.png"]},
        {"file": [file()]},
        {"path": ["a.png", "b.png"], "file": [file()]},
        {"path": ["a.png"], "file": [file(), file()]},
        {"path": ["a.png"], "picture": [file()]},
        {"path": ["a.png"], "file": [file()], "picture": [file()]},
    ],
    ids=["no file", "no path", "more paths", "more files", "another name", "one too many"],
)
def test_paths_and_files_that_do_not_pair_are_refused_whole(client, url, stores, fields):
    offer(client, url, {"a.png": A})

    assert refusal(form(client, url, **fields)) == (400, "invalid")
    assert incoming(stores) == []
    assert Item.objects.get().state == ItemState.EXPECTED


def test_the_name_inside_a_part_is_ignored(client, url, stores):
    offer(client, url, {"a.png": A})

    answer = form(client, url, path=["a.png"], file=[file(name="../../etc/passwd")])

    assert answer.json()["files"][0]["state"] == "received"
    assert {path.parent.name for path in stores.rglob("*") if path.is_file()} == {"incoming"}


def test_fifty_files_travel_together_and_one_more_does_not(client, url, stores):
    files = {f"{n}.png": b"%d" % n for n in range(51)}
    offer(client, url, files)

    assert refusal(send(client, url, files)) == (413, "limit_exceeded")
    assert incoming(stores) == []
    assert Item.objects.filter(state=ItemState.RECEIVED).count() == 0

    del files["50.png"]
    assert len(send(client, url, files).json()["files"]) == 50
    assert len(incoming(stores)) == 50


def test_far_too_many_files_are_refused_in_our_words(client, url, stores):
    files = {f"{n}.png": b"%d" % n for n in range(70)}

    assert refusal(send(client, url, files)) == (413, "limit_exceeded")
    assert incoming(stores) == []


def test_a_large_file_travels_alone(client, url, stores, monkeypatch):
    monkeypatch.setattr(handlers, "MOST_BYTES", 1_000_000)
    large = os.urandom(1_500_000)
    offer(client, url, {"large.dcm": large, "a.png": A})

    assert refusal(send(client, url, {"large.dcm": large, "a.png": A})) == (413, "limit_exceeded")
    assert incoming(stores) == []
    assert send(client, url, {"large.dcm": large}).json()["files"][0]["state"] == "received"


def test_a_file_over_the_limit_is_cut_off_while_it_arrives(client, url, stores, settings):
    offer(client, url, {"a.png": B})
    limit(settings, file_bytes=100_000)

    assert refusal(send(client, url, {"a.png": B})) == (413, "limit_exceeded")
    assert incoming(stores) == []


def test_a_full_disk_is_said_and_leaves_nothing(client, url, stores):
    large = bytes(9_000_000)
    offer(client, url, {"a.png": A, "large.dcm": large})

    with files_no_larger_than(8_000_000):
        answer = send(client, url, {"a.png": A, "large.dcm": large})

    assert refusal(answer) == (507, "storage_full")
    assert incoming(stores) == []
    assert set(Item.objects.values_list("state", flat=True)) == {ItemState.EXPECTED}


def test_a_request_that_breaks_off_leaves_nothing(client, url, stores):
    offer(client, url, {"a.png": A, "b.png": B})
    whole = form_body({"a.png": A, "b.png": B})

    answer = client.generic(
        "POST", f"{url}files/", whole[: len(whole) // 2], content_type="multipart/form-data; boundary=edge"
    )

    assert refusal(answer)[0] == 400
    assert incoming(stores) == []
    assert set(Item.objects.values_list("state", flat=True)) == {ItemState.EXPECTED}


def form_body(files) -> bytes:
    parts = []
    for path, data in files.items():
        parts.append(b'--edge\r\nContent-Disposition: form-data; name="path"\r\n\r\n' + path.encode() + b"\r\n")
        head = b'--edge\r\nContent-Disposition: form-data; name="file"; filename="file"\r\n\r\n'
        parts.append(head + data + b"\r\n")
    return b"".join(parts) + b"--edge--\r\n"


def test_a_sealed_upload_takes_no_file(client, url, stores):
    offer(client, url, {"a.png": A})
    Upload.objects.update(state="sealed")

    assert refusal(send(client, url, {"a.png": A})) == (409, "upload_closed")
    assert incoming(stores) == []


@pytest.mark.parametrize("who", ["reviewer", "other_integrator"])
def test_who_may_not_upload_sends_no_file(ward, client, url, stores, who):
    offer(client, url, {"a.png": A})

    assert refusal(send(ward.by_token(getattr(ward, who)), url, {"a.png": A})) == (403, "not_allowed")
    assert incoming(stores) == []
    assert Item.objects.get().state == ItemState.EXPECTED


def test_a_stranger_and_a_visitor_send_no_file(ward, client, url, stores):
    offer(client, url, {"a.png": A})
    stranger = ward.by_token(ward.stranger, site=ward.elsewhere)

    assert refusal(send(stranger, url, {"a.png": A})) == (404, "not_found")
    assert refusal(send(APIClient(), url, {"a.png": A})) == (401, "not_signed_in")
    assert incoming(stores) == []


def test_a_page_without_its_csrf_token_leaves_nothing_although_the_body_was_read(ward, client, url, stores):
    offer(client, url, {"a.png": A})
    page = APIClient(enforce_csrf_checks=True)
    page.force_login(ward.staff)

    assert refusal(send(page, url, {"a.png": A})) == (403, "not_allowed")
    assert incoming(stores) == []


def test_another_body_than_a_form_is_refused(client, url):
    assert refusal(client.post(f"{url}files/", {"path": []})) == (415, "unsupported_media_type")
