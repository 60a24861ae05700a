import base64
import hashlib
import os

import pytest

from screening.uploads.models import Archive, ArchiveState
from tests.api.conftest import open_upload, refusal
from tests.stores import incoming

ZIP = os.urandom(5000)


@pytest.fixture
def client(ward):
    return ward.by_token(ward.integrator)


@pytest.fixture
def url(client):
    return open_upload(client)


def put(client, url, start, end, *, span=None, data=None, **headers):
    return client.generic(
        "PUT",
        f"{url}archive/",
        ZIP[start:end] if data is None else data,
        content_type="application/octet-stream",
        headers={"Content-Range": span or f"bytes {start}-{end - 1}/{len(ZIP)}", **headers},
    )


def test_a_zip_arrives_in_parts_and_head_says_where_to_go_on(client, url, stores):
    assert client.head(f"{url}archive/").headers["Upload-Offset"] == "0"
    assert put(client, url, 0, 2000).json()["offset"] == 2000

    head = client.head(f"{url}archive/")
    assert (head.headers["Upload-Offset"], head.headers["Upload-Length"]) == ("2000", "5000")
    assert client.get(f"{url}archive/").json()["offset"] == 2000

    answer = put(client, url, 2000, 5000)

    assert answer.json()["state"] == "received"
    assert Archive.objects.get().state == ArchiveState.RECEIVED
    assert [path.read_bytes() for path in incoming(stores)] == [ZIP]
    assert "Upload-Length" not in client.head(f"{url}archive/").headers


def test_a_gap_is_refused_with_what_to_do(client, url):
    put(client, url, 0, 2000)

    answer = put(client, url, 3000, 5000)

    assert refusal(answer) == (409, "bad_offset")
    assert "HEAD" in answer.json()["what_to_do"]
    assert Archive.objects.get().offset == 2000


@pytest.mark.parametrize(
    "span", ["", "bytes */5000", "bytes 0-/5000", "items 0-1999/5000", "bytes 0-1999/*", "bytes 0-1998/5000"]
)
def test_a_range_that_is_missing_or_does_not_fit_the_body_is_refused(client, url, stores, span):
    answer = put(client, url, 0, 2000, span=span or "none")

    assert refusal(answer) == (400, "invalid")
    assert incoming(stores) == []


def test_a_range_beyond_the_end_is_refused(client, url, stores):
    assert refusal(put(client, url, 0, 2000, span="bytes 4000-5999/5000")) == (409, "bad_offset")
    assert incoming(stores) == []


def digest(data: bytes) -> str:
    return f"sha-256=:{base64.b64encode(hashlib.sha256(data).digest()).decode()}:"


def test_a_part_is_compared_with_its_digest(client, url, stores):
    wrong = put(client, url, 0, 2000, **{"Content-Digest": digest(b"other")})
    assert refusal(wrong) == (400, "hash_mismatch")
    assert incoming(stores) == []

    assert put(client, url, 0, 2000, **{"Content-Digest": digest(ZIP[:2000])}).status_code == 200


def test_the_zip_on_its_way_is_part_of_the_uploads_state(client, url):
    put(client, url, 0, 2000)

    [archive] = client.get(url).json()["archives"]

    assert (archive["offset"], archive["size"], archive["state"], archive["code"]) == (2000, 5000, "receiving", None)


@pytest.mark.parametrize("who", ["reviewer", "other_integrator"])
def test_who_may_not_upload_sends_no_part(ward, url, stores, who):
    other = ward.by_token(getattr(ward, who))

    assert refusal(put(other, url, 0, 2000)) == (403, "not_allowed")
    assert other.head(f"{url}archive/").status_code == 403
    assert incoming(stores) == []


def test_a_stranger_finds_nothing_to_send_to(ward, url, stores):
    stranger = ward.by_token(ward.stranger, site=ward.elsewhere)

    assert refusal(put(stranger, url, 0, 2000)) == (404, "not_found")
    assert stranger.head(f"{url}archive/").status_code == 404
    assert incoming(stores) == []
