import json

import pytest

from screening.uploads.models import Item
from tests.api.conftest import offer, open_upload, refusal
from tests.factories import ImageFactory, StudyFactory, UploadFactory
from tests.uploads.bringing import sha256

A = b"picture a"


@pytest.fixture
def client(ward):
    return ward.by_token(ward.integrator)


@pytest.fixture
def url(client):
    return open_upload(client)


def test_the_answer_says_for_each_file_in_order_whether_it_is_needed(ward, client, url):
    study = StudyFactory(upload=UploadFactory(site=ward.site, sealed=True))
    ImageFactory(study=study, sha256=sha256(b"known"))

    answer = offer(client, url, {"a.png": A, "known.png": b"known", "copy.png": A, "../up.png": A, "empty.png": b""})

    files = answer.json()["files"]
    assert answer.status_code == 200
    assert [(one["state"], one["code"]) for one in files] == [
        ("missing", ""),
        ("duplicate", ""),
        ("duplicate", ""),
        ("rejected", "path_unsafe"),
        ("rejected", "empty_file"),
    ]
    assert files[3]["what_to_do"] == "Rename it to a plain relative path."


def test_the_preflight_sums_up_all_that_was_offered_so_far(client, url):
    offer(client, url, {"a.png": A})

    seen = offer(client, url, {"b.jpg": b"b", "c.dcm": b"c"}).json()["preflight"]

    assert (seen["files"], seen["missing"], seen["bytes"]) == (3, 3, len(A) + 2)
    assert seen["by_kind"] == {"dicom": 1, "jpeg": 1, "png": 1}


def test_nothing_offered_gives_the_preflight_alone(client, url):
    answer = client.post(f"{url}check/", {"files": []})

    assert (answer.status_code, answer.json()["files"], answer.json()["preflight"]["files"]) == (200, [], 0)


@pytest.mark.parametrize(
    ("file", "field"),
    [
        ({"path": "a.png", "size": -1, "sha256": "a" * 64}, "size"),
        ({"path": "a.png", "size": 2**63, "sha256": "a" * 64}, "size"),
        ({"path": "a.png", "size": 1, "sha256": "a" * 63}, "sha256"),
        ({"path": "a.png", "size": 1, "sha256": "g" * 64}, "sha256"),
        ({"size": 1, "sha256": "a" * 64}, "path"),
        ({"path": None, "size": 1, "sha256": "a" * 64}, "path"),
        ({"path": "x" * 9000, "size": 1, "sha256": "a" * 64}, "path"),
        ("a.png", "files.0"),
    ],
)
def test_a_malformed_offer_is_named_and_nothing_is_written(client, url, file, field):
    answer = client.post(f"{url}check/", {"files": [file]})

    assert refusal(answer) == (400, "invalid")
    assert field in answer.json()["message"]
    assert not Item.objects.exists()


@pytest.mark.parametrize("path", ["a\x00b", "\ud800.png", "\udcff", ""], ids=ascii)
def test_a_path_that_no_disk_has_costs_its_own_file_only(client, url, path):
    files = [{"path": path, "size": 1, "sha256": "a" * 64}, {"path": "a.png", "size": 1, "sha256": "b" * 64}]
    answer = client.post(f"{url}check/", json.dumps({"files": files}), content_type="application/json")

    assert [one["state"] for one in answer.json()["files"]] == ["rejected", "missing"]


def test_more_than_a_thousand_at_once_are_refused_whole(client, url):
    files = [{"path": f"{n}.png", "size": 1, "sha256": f"{n:064x}"} for n in range(1001)]

    assert refusal(client.post(f"{url}check/", {"files": files})) == (413, "limit_exceeded")
    assert not Item.objects.exists()


def test_a_thousand_long_paths_fit_into_one_request_and_few_queries(client, url, django_assert_max_num_queries):
    files = [{"path": f"{'folder/' * 100}{n}.png", "size": 1, "sha256": f"{n:064x}"} for n in range(1000)]

    with django_assert_max_num_queries(70):  # SQLite inserts about forty rows a statement
        answer = client.post(f"{url}check/", {"files": files})

    assert len(answer.json()["files"]) == 1000


def test_a_file_without_a_hash_is_refused_and_stands_on_the_receipt(client, url, settings):
    over = settings.CONFIG.limits.file_bytes + 1
    files = [{"path": "gone.png", "size": 9, "sha256": ""}, {"path": "huge.dcm", "size": over, "sha256": ""}]

    told = [client.post(f"{url}check/", {"files": files}).json()["files"] for _ in range(2)]

    assert [[(one["state"], one["code"]) for one in answer] for answer in told] == [
        [("rejected", "not_readable"), ("rejected", "too_large")]
    ] * 2
    assert sorted(Item.objects.values_list("path", "state")) == [("gone.png", "rejected"), ("huge.dcm", "rejected")]


def test_a_known_path_without_a_hash_is_told_apart_from_one_with_other_bytes(client, url):
    offer(client, url, {"a.png": A})
    nothing = {"files": [{"path": "a.png", "size": len(A), "sha256": ""}]}
    lost = {"files": [{"path": "lost.png", "size": 5, "sha256": ""}]}

    answers = [client.post(f"{url}check/", body).json()["files"][0]["code"] for body in (nothing, lost)]
    later = offer(client, url, {"lost.png": b"found"}).json()["files"][0]

    assert answers == ["not_readable", "not_readable"]
    assert (later["state"], later["code"]) == ("rejected", "not_readable")
    assert Item.objects.get(path="a.png").state == "expected"
