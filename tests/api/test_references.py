import json

import pytest

from screening.uploads.models import Reference
from screening.uploads.paths import digest
from tests.api.conftest import open_upload, refusal


@pytest.fixture
def client(ward):
    return ward.by_token(ward.integrator)


@pytest.fixture
def url(client):
    return open_upload(client)


def table(client, url, text: bytes | str):
    return client.post(f"{url}references/", text, content_type="text/csv")


def test_rows_come_as_json(client, url):
    answer = client.post(
        f"{url}references/",
        {"rows": [{"path": "a.png", "external_id": "case-1", "label": "covid"}, {"path": "../b.png"}]},
    )

    body = answer.json()
    assert (body["taken"], [(row["row"], row["code"]) for row in body["refused"]]) == (1, [(1, "path_unsafe")])
    reference = Reference.objects.get()
    assert (reference.path_digest, reference.external_id, reference.label) == (digest("a.png"), "case-1", "covid")


@pytest.mark.parametrize(
    "text",
    ["path,external_id\r\na.png,case-1\r\n", "\ufeffexternal_id,path,note\ncase-1,a.png,x\n"],
    ids=["plain", "as a spreadsheet writes it"],
)
def test_rows_come_as_csv_with_the_columns_in_any_order(client, url, text):
    assert table(client, url, text).json()["taken"] == 1
    assert Reference.objects.get().external_id == "case-1"


@pytest.mark.parametrize(
    "text",
    [b"name,external_id\na.png,x\n", b"\xff\xfe\x00", b"path\n" + b'"' + b"x" * 200_000 + b'"\n'],
    ids=["no path", "not utf-8", "endless cell"],
)
def test_a_table_that_cannot_be_read_is_refused_whole(client, url, text):
    assert refusal(table(client, url, text)) == (400, "unreadable_body")
    assert not Reference.objects.exists()


@pytest.mark.parametrize(
    "row", [{"external_id": "x"}, {"path": "a.png", "external_id": "x" * 121}, {"path": "a.png", "label": "x" * 41}]
)
def test_a_row_that_is_not_well_formed_is_named_and_none_is_taken(client, url, row):
    answer = client.post(f"{url}references/", {"rows": [{"path": "b.png", "external_id": "y"}, row]})

    assert refusal(answer) == (400, "invalid")
    assert "rows.1" in answer.json()["message"]
    assert not Reference.objects.exists()


def test_rows_are_told_apart_by_whether_a_file_was_offered_and_the_receipt_counts_those_that_match_none(client, url):
    offered = {"path": "a.png", "size": 1, "sha256": "a" * 64}
    client.post(f"{url}check/", {"files": [offered]})
    rows = [{"path": "a.png", "external_id": "x"}, {"path": "b.png", "external_id": "y"}, {"path": "../c.png"}]

    body = client.post(f"{url}references/", {"rows": rows}).json()

    assert (body["taken"], body["matched"], body["waiting"], len(body["refused"])) == (2, 1, 1, 1)
    client.post(f"{url}seal/", {})
    assert json.loads(client.get(f"{url}receipt/").getvalue())["unmatched"] == 1
    [refused] = client.post(f"{url}references/", {"rows": [rows[1]]}).json()["refused"]
    assert (refused["row"], refused["code"]) == (0, "no_such_path")
