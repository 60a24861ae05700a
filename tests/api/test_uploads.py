import pytest

from screening.uploads.models import Item, Upload
from screening.users.models import Scope
from tests.api.conftest import offer, open_upload, refusal, send
from tests.factories import StudyFactory, UploadFactory

URL = "/api/v1/uploads/"
A = b"picture a"


@pytest.fixture
def url(ward):
    return open_upload(ward.by_token(ward.staff), name="Doe, Jane")


def test_the_uploader_sees_how_far_an_upload_is(ward, url):
    client = ward.by_token(ward.staff)
    offer(client, url, {"a.png": A, "b.png": b"b", "": b""})
    send(client, url, {"a.png": A})

    body = client.get(url).json()

    assert body["name"] == "Doe, Jane"
    assert body["offered"] == sum(body["items"].values()) == 3
    assert (body["items"]["received"], body["items"]["expected"], body["items"]["rejected"]) == (1, 1, 1)
    assert (body["screenings"], body["images_per_second"], body["estimated_end"]) == ({}, None, None)


@pytest.mark.parametrize("who", ["reviewer", "other_integrator"])
def test_others_of_the_site_see_the_upload_without_its_name(ward, url, who):
    answer = ward.by_token(getattr(ward, who)).get(url)

    assert answer.status_code == 200
    assert answer.json()["name"] is None
    assert b"Doe" not in answer.content


def test_a_colleague_sees_its_name(ward, url):
    assert ward.by_session(ward.colleague).get(url).json()["name"] == "Doe, Jane"


def test_a_token_that_only_reads_results_learns_no_name(ward, url):
    assert ward.by_token(ward.staff, Scope.READ).get(url).json()["name"] is None


def test_a_stranger_finds_no_upload(ward, url):
    client = ward.by_token(ward.stranger, site=ward.elsewhere)

    assert refusal(client.get(url)) == (404, "not_found")
    for act in ("check", "seal", "cancel", "retry", "screenings", "references"):
        assert refusal(client.post(f"{url}{act}/", {"files": [], "models": ["a"], "rows": []})) == (404, "not_found")
    assert refusal(client.delete(url)) == (404, "not_found")
    assert Upload.objects.get().state == "open"


@pytest.mark.parametrize("who", ["reviewer", "other_integrator"])
def test_who_sees_an_upload_of_others_may_not_change_it(ward, url, who):
    client = ward.by_token(getattr(ward, who))

    for act in ("check", "seal", "cancel", "retry", "screenings", "references"):
        answer = client.post(f"{url}{act}/", {"files": [], "models": ["xray-one"], "rows": []})
        assert refusal(answer) == (403, "not_allowed")
    assert refusal(client.delete(url)) == (403, "not_allowed")
    assert Upload.objects.get().state == "open"


def test_sealing_takes_no_more_files_and_names_what_never_came(ward, url):
    client = ward.by_token(ward.staff)
    offer(client, url, {"a.png": A, "b.png": b"b"})
    send(client, url, {"a.png": A})

    answer = client.post(f"{url}seal/", {"count": 2})

    assert answer.status_code == 202
    assert answer.json()["state"] == "sealed"
    assert answer.json()["items"]["not_sent"] == 1
    assert refusal(offer(client, url, {"c.png": b"c"})) == (409, "upload_closed")


def test_sealing_with_another_count_changes_nothing(ward, url):
    client = ward.by_token(ward.staff)
    offer(client, url, {"a.png": A})

    assert refusal(client.post(f"{url}seal/", {"count": 2})) == (409, "count_mismatch")
    assert Upload.objects.get().state == "open"
    assert Item.objects.get().state == "expected"


def test_sealing_twice_is_sealing_once(ward, url):
    client = ward.by_token(ward.staff)
    first = client.post(f"{url}seal/").json()

    assert client.post(f"{url}seal/").json()["sealed_at"] == first["sealed_at"]


def test_a_colleague_cancels_what_waits(ward, url):
    offer(ward.by_token(ward.staff), url, {"a.png": A})

    answer = ward.by_session(ward.colleague).post(f"{url}cancel/")

    assert answer.status_code == 202
    assert (answer.json()["state"], answer.json()["items"]["cancelled"]) == ("cancelled", 1)


def test_a_finished_upload_cannot_be_cancelled(ward):
    upload = UploadFactory(site=ward.site, created_by=ward.staff, finished=True)

    answer = ward.by_token(ward.staff).post(f"{URL}{upload.pk}/cancel/")

    assert refusal(answer) == (409, "illegal_transition")
    upload.refresh_from_db()
    assert upload.state == "finished"


def test_retry_and_another_model_say_how_many_rows_they_brought_back(ward, url):
    client = ward.by_token(ward.staff)

    assert client.post(f"{url}retry/").json()["queued"] == 0
    assert client.post(f"{url}screenings/", {"models": ["xray-one"]}).json()["queued"] == 0
    assert refusal(client.post(f"{url}screenings/", {"models": []})) == (400, "invalid")
    assert refusal(client.post(f"{url}screenings/", {"models": ["none"]})) == (400, "unknown_model")


def test_deleting_an_upload_leaves_a_tombstone_without_paths(ward, url):
    client = ward.by_token(ward.staff)
    offer(client, url, {"Doe/a.png": A})

    assert client.delete(url).status_code == 200

    assert client.get(url).json()["purged_at"]
    assert b"Doe" not in client.get(f"{url}receipt/").getvalue()


def test_uploads_are_listed_newest_first_page_by_page(ward):
    made = [UploadFactory(site=ward.site, created_by=ward.staff, name=str(n)) for n in range(55)]
    UploadFactory(site=ward.elsewhere)
    client = ward.by_token(ward.staff)

    first = client.get(URL).json()
    second = client.get(URL, {"cursor": first["cursor"]}).json()

    names = [row["name"] for page in (first, second) for row in page["results"]]
    assert names == [upload.name for upload in reversed(made)]
    assert (len(first["results"]), second["cursor"]) == (50, None)


@pytest.mark.parametrize("cursor", ["x", "é", "MQ", "MSAy", "bm90IGEgdGltZSBvcg"])
def test_a_cursor_of_somebody_elses_making_is_refused(ward, cursor):
    assert refusal(ward.by_token(ward.staff).get(URL, {"cursor": cursor})) == (400, "invalid")


def test_a_study_of_an_upload_is_no_upload(ward):
    study = StudyFactory(upload=UploadFactory(site=ward.site))

    assert refusal(ward.by_token(ward.staff).get(f"{URL}{study.pk}/")) == (404, "not_found")
