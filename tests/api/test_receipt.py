import csv
import io
import json

import pytest

from ml.vocabulary import DISCLAIMER
from screening.users.models import Scope
from tests.api.conftest import offer, open_upload, refusal, send

A = b"picture a"


@pytest.fixture
def client(ward):
    return ward.by_token(ward.integrator)


@pytest.fixture
def url(client):
    url = open_upload(client)
    offer(client, url, {"Doe^Jane/a.png": A, "Doe^Jane/b.png": b"b", "=1+1": b""})
    send(client, url, {"Doe^Jane/a.png": A})
    return url


def receipt(client, url):
    answer = client.get(f"{url}receipt/")
    assert answer["Cache-Control"] == "private, no-store"
    return json.loads(answer.getvalue())


def test_every_path_stands_on_the_receipt_in_one_state(client, url):
    body = receipt(client, url)

    assert (body["disclaimer"], body["upload"], body["archives"]) == (DISCLAIMER, url.split("/")[-2], [])
    assert [(item["path"], item["outcome"], item["code"]) for item in body["items"]] == [
        ("=1+1", "rejected", "empty_file"),
        ("Doe^Jane/a.png", "received", None),
        ("Doe^Jane/b.png", "expected", None),
    ]
    assert sum(client.get(url).json()["items"].values()) == len(body["items"])


@pytest.mark.parametrize("who", ["staff", "colleague", "admin"])
def test_the_staff_of_the_site_sees_paths(ward, url, who):
    assert receipt(ward.by_session(getattr(ward, who)), url)["items"][1]["path"] == "Doe^Jane/a.png"


@pytest.mark.parametrize("who", ["reviewer", "other_integrator"])
def test_nobody_else_sees_a_path_in_either_form(ward, url, who):
    client = ward.by_token(getattr(ward, who))

    assert all("path" not in item for item in receipt(client, url)["items"])
    for form in ("receipt/", "receipt.csv"):
        assert b"Doe" not in client.get(f"{url}{form}").getvalue()


def test_a_token_that_only_reads_results_sees_no_path(ward, url):
    client = ward.by_token(ward.integrator, Scope.READ)

    assert b"Doe" not in client.get(f"{url}receipt/").getvalue()


def test_an_uploader_who_became_a_reviewer_sees_no_path_any_more(ward, url):
    ward.integrator.memberships.update(role="reviewer")

    assert b"Doe" not in ward.by_token(ward.integrator).get(f"{url}receipt/").getvalue()


def test_the_table_has_the_same_items_and_no_formula(client, url):
    answer = client.get(f"{url}receipt.csv")

    rows = list(csv.DictReader(io.StringIO(answer.getvalue().decode())))
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert answer["Content-Disposition"].startswith("attachment;")
    assert [(row["path"], row["outcome"]) for row in rows] == [
        ("'=1+1", "rejected"),
        ("Doe^Jane/a.png", "received"),
        ("Doe^Jane/b.png", "expected"),
    ]
    assert {row["disclaimer"] for row in rows} == {DISCLAIMER}


def test_a_stranger_finds_no_receipt(ward, url):
    client = ward.by_token(ward.stranger, site=ward.elsewhere)

    assert refusal(client.get(f"{url}receipt/")) == (404, "not_found")
    assert refusal(client.get(f"{url}receipt.csv")) == (404, "not_found")
