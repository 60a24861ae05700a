import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from ml.vocabulary import DISCLAIMER
from screening.api import asking
from screening.results.models import ScreeningState
from screening.studies.changes import mark_changed
from screening.studies.models import Study
from screening.uploads.models import ItemState
from screening.users.models import Membership, Role, Scope
from tests.api.conftest import refusal
from tests.factories import ImageFactory, ItemFactory, ScreeningFactory, StudyFactory, UploadFactory

URL = "/api/v1/studies/"


@pytest.fixture
def client(ward):
    return ward.by_token(ward.integrator, Scope.READ)


@pytest.fixture
def upload(ward):
    return UploadFactory(site=ward.site, sealed=True)


def changed(*studies: Study) -> None:
    """Note a change of each study, as every transaction does that changes one."""
    for study in studies:
        mark_changed([(study.site_id, study.pk)])


def study(upload, **values) -> Study:
    made = StudyFactory(upload=upload, **({"ready": True} | values))
    changed(made)
    return made


def ids(answer) -> list[str]:
    return [row["id"] for row in answer.json()["results"]]


def all_pages(client, limit: int, **query) -> list[str]:
    found, cursor = [], None
    while True:
        body = client.get(URL, {**query, "limit": limit, **({"cursor": cursor} if cursor else {})}).json()
        found += [row["id"] for row in body["results"]]
        cursor = body["cursor"]
        if not body["more"]:
            return found


def test_a_study_comes_with_its_pictures_and_what_was_said_about_them(ward, client, upload):
    made = study(upload, flagged_ready=True, ready=False, external_id="case-1")
    image = ImageFactory(study=made, notes=["small_picture"])
    ScreeningFactory(image=image, model_version=ward.version, scored_flagged=True, model_sha256="f" * 64)

    body = client.get(URL).json()

    [row] = body["results"]
    assert (body["disclaimer"], body["site"], body["more"]) == (DISCLAIMER, str(ward.site.pk), False)
    assert (row["id"], row["external_id"], row["flag"], row["flagged"]) == (str(made.pk), "case-1", "flagged", True)
    [picture] = row["images"]
    assert (picture["image"], picture["quality"]) == (str(image.pk), ["small_picture"])
    assert picture["preview"] == f"/api/v1/images/{image.pk}/preview/"
    [result] = picture["results"]
    assert (result["model"], result["outcome"], result["flag"]) == ("xray-one@1.0.0", "scored", "flagged")
    assert (result["scores"], result["thresholds"]) == ({"covid": 0.9, "normal": 0.1}, {"covid": 0.5})
    assert result["why"].startswith("xray-one@1.0.0: flagged")


def test_a_study_with_one_picture_not_assessed_never_reads_not_flagged(ward, client, upload):
    made = study(upload, incomplete=True, ready=False)
    ScreeningFactory(image=ImageFactory(study=made), scored=True, model_version=ward.version)
    ScreeningFactory(
        image=ImageFactory(study=made), model_version=ward.version, state=ScreeningState.INCONCLUSIVE, code="not_chest"
    )

    [row] = client.get(URL).json()["results"]

    assert row["flag"] == "not assessed"
    assert {result["flag"] for image in row["images"] for result in image["results"]} == {"not flagged", "not assessed"}


def test_neither_paths_nor_labels_are_in_any_answer(client, upload):
    made = study(upload, reference_label="covid-truth")
    ItemFactory(upload=upload, accepted=True, path="Doe^Jane/a.png", study_id=made.pk)

    text = client.get(URL).content + client.get(f"{URL}{made.pk}/").content

    assert b"Doe" not in text
    assert b"covid-truth" not in text


def test_pages_in_change_order_hold_every_study_once(client, upload):
    made = [study(upload) for _ in range(7)]
    together = [StudyFactory(upload=upload) for _ in range(4)]
    mark_changed((one.site_id, one.pk) for one in together)  # one transaction: one number

    found = all_pages(client, 3)

    assert found[:7] == [str(one.pk) for one in made]
    assert sorted(found[7:]) == sorted(str(one.pk) for one in together)


def test_the_cursor_of_an_empty_answer_gives_what_comes_later(client, upload):
    cursor = client.get(URL).json()["cursor"]
    made = study(upload)

    assert ids(client.get(URL, {"cursor": cursor})) == [str(made.pk)]


def test_a_study_that_changes_while_pages_are_read_is_seen_again_and_none_is_missed(client, upload):
    first, second, third = (study(upload) for _ in range(3))
    page = client.get(URL, {"limit": 2}).json()
    changed(first)

    rest = client.get(URL, {"cursor": page["cursor"], "limit": 10})

    assert ids(rest) == [str(third.pk), str(first.pk)]
    assert ids(client.get(URL, {"cursor": rest.json()["cursor"]})) == []
    assert [row["id"] for row in page["results"]] == [str(first.pk), str(second.pk)]


def test_changed_since_takes_a_change_number(client, upload):
    study(upload)
    second = study(upload)
    number = client.get(URL).json()["results"][0]["change_number"]

    assert ids(client.get(URL, {"changed_since": number})) == [str(second.pk)]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"flagged": "true"}, {"flagged"}),
        ({"flagged": "false"}, {"plain", "waiting"}),
        ({"state": "screening"}, {"waiting"}),
        ({"external_id": "case-1"}, {"flagged"}),
        ({"model": "xray-one"}, {"flagged"}),
        ({"model": "xray-one@1.0.0"}, {"flagged"}),
        ({"model": "xray-one@2.0.0"}, set()),
        ({"state": "ready", "flagged": "true"}, {"flagged"}),
    ],
)
def test_filters_leave_out_what_does_not_fit(ward, client, upload, query, expected):
    made = {
        "flagged": study(upload, flagged_ready=True, ready=False, external_id="case-1"),
        "plain": study(upload),
        "waiting": study(upload, ready=False),
    }
    ScreeningFactory(image=ImageFactory(study=made["flagged"]), model_version=ward.version, scored_flagged=True)

    assert set(ids(client.get(URL, query))) == {str(made[name].pk) for name in expected}


def test_a_model_that_saw_many_studies_is_filtered_by_as_one_that_saw_few(ward, client, upload, monkeypatch):
    seen, _ = study(upload), study(upload)
    ScreeningFactory(image=ImageFactory(study=seen), model_version=ward.version, scored=True)

    monkeypatch.setattr(asking, "FEW", 0)

    assert ids(client.get(URL, {"model": "xray-one"})) == [str(seen.pk)]


def test_studies_of_an_upload_include_those_that_it_brought_again(ward, client, upload):
    known = study(upload)
    later = UploadFactory(site=ward.site, sealed=True)
    ItemFactory(upload=later, state=ItemState.DUPLICATE, study_id=known.pk)
    study(upload)

    assert ids(client.get(URL, {"upload": str(later.pk)})) == [str(known.pk)]


def test_another_sites_studies_are_never_among_them(ward, client, upload):
    mine = study(upload)
    theirs = study(UploadFactory(site=ward.elsewhere, sealed=True))
    ItemFactory(upload=theirs.upload, accepted=True, study_id=theirs.pk)

    assert ids(client.get(URL)) == [str(mine.pk)]
    assert ids(client.get(URL, {"upload": str(theirs.upload_id)})) == []
    assert refusal(client.get(URL, {"site": str(ward.elsewhere.pk)})) == (404, "not_found")


def test_who_belongs_to_several_sites_names_one_since_numbers_belong_to_a_site(ward, upload):
    Membership.objects.create(user=ward.staff, site=ward.elsewhere, role=Role.REVIEWER)
    client = ward.by_session(ward.staff)
    made = study(upload)

    assert refusal(client.get(URL)) == (400, "invalid")
    assert ids(client.get(URL, {"site": str(ward.site.pk)})) == [str(made.pk)]


def test_nothing_changed_is_answered_without_a_body_until_something_does(client, upload):
    made = study(upload)
    etag = client.get(URL)["ETag"]

    unchanged = client.get(URL, headers={"If-None-Match": etag})
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    assert client.get(URL, {"flagged": "true"}, headers={"If-None-Match": etag}).status_code == 200

    changed(made)
    assert client.get(URL, headers={"If-None-Match": etag}).status_code == 200


def test_one_study_has_an_etag_of_its_own(client, upload):
    made, other = study(upload), study(upload)
    etag = client.get(f"{URL}{made.pk}/")["ETag"]
    changed(other)

    assert client.get(f"{URL}{made.pk}/", headers={"If-None-Match": etag}).status_code == 304
    changed(made)
    assert client.get(f"{URL}{made.pk}/", headers={"If-None-Match": etag}).status_code == 200


@pytest.mark.parametrize(
    "query",
    [
        {"cursor": "x"},
        {"cursor": "MSAy"},
        {"limit": 0},
        {"limit": 201},
        {"state": "lost"},
        {"upload": "1"},
        {"flagged": "perhaps"},
        {"changed_since": -1},
        {"changed_since": 2**63},
    ],
    ids=str,
)
def test_a_question_that_is_not_well_formed_is_refused(client, query):
    assert refusal(client.get(URL, query)) == (400, "invalid")


def test_the_number_of_queries_does_not_grow_with_the_page(ward, client, upload):
    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as context:
            assert client.get(URL, {"limit": 200}).status_code == 200
        return len(context)

    for _ in range(2):
        ScreeningFactory(image=ImageFactory(study=study(upload)), model_version=ward.version, scored=True)
    few = queries()
    for _ in range(20):
        ScreeningFactory(image=ImageFactory(study=study(upload)), model_version=ward.version, scored=True)

    assert queries() == few


def test_a_read_writes_nothing(client, upload):
    made = study(upload)

    with CaptureQueriesContext(connection) as context:
        client.get(URL)
        client.get(f"{URL}{made.pk}/")
        client.get(f"{URL}{made.pk}/audit/")

    assert not [query["sql"] for query in context if query["sql"].split()[0] in {"INSERT", "UPDATE", "DELETE"}]


@pytest.mark.parametrize("who", ["staff", "reviewer", "integrator", "admin"])
def test_everybody_of_the_site_reads_results(ward, upload, who):
    made = study(upload)

    answer = ward.by_session(getattr(ward, who)).get(f"{URL}{made.pk}/")

    assert (answer.status_code, answer.json()["id"], answer.json()["disclaimer"]) == (200, str(made.pk), DISCLAIMER)


def test_a_stranger_finds_no_study_in_any_way(ward, upload):
    made = study(upload)
    client = ward.by_token(ward.stranger, site=ward.elsewhere)

    assert refusal(client.get(f"{URL}{made.pk}/")) == (404, "not_found")
    assert refusal(client.get(f"{URL}{made.pk}/audit/")) == (404, "not_found")
    assert refusal(client.post(f"{URL}{made.pk}/reviews/", {"answers": {}})) == (404, "not_found")
    assert refusal(client.delete(f"{URL}{made.pk}/")) == (404, "not_found")


def test_a_token_that_only_uploads_reads_no_results(ward, upload):
    made = study(upload)
    client = ward.by_token(ward.integrator, Scope.UPLOAD)

    assert refusal(client.get(URL)) == (403, "not_allowed")
    assert refusal(client.get(f"{URL}{made.pk}/")) == (403, "not_allowed")


def test_nothing_changed_is_answered_from_two_rows_and_nothing_else(ward, django_assert_num_queries):
    """The token with its owner, and the site with its change number and the caller's role there."""
    client = ward.by_token(ward.integrator)
    etag = client.get("/api/v1/studies/")["ETag"]

    with django_assert_num_queries(2):
        answer = client.get("/api/v1/studies/", HTTP_IF_NONE_MATCH=etag)

    assert answer.status_code == 304
