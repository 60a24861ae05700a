import json

import pytest
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.db import OperationalError
from django.test import Client
from django.utils import translation

from ml.vocabulary import DISCLAIMER
from screening.people.language import PAGE_HEADER, LanguageMiddleware
from screening.users.models import Role, User
from tests.factories import ItemFactory, SiteFactory, UploadFactory, UserFactory
from tests.people.conftest import signed_in

pytestmark = pytest.mark.django_db
DISCLAIMER_IN_GERMAN = "Nur für Lehr- und Ausbildungszwecke, kein Medizinprodukt."


@pytest.fixture
def admin():
    return UserFactory(role_at=(SiteFactory(name="Ward"), Role.ADMIN))


def language_of(page) -> str:
    text = page.content.decode()
    assert page["Content-Language"] == text.split('<html lang="')[1].split('"')[0]
    return page["Content-Language"]


@pytest.mark.parametrize(
    ("asked", "language"),
    [("de-AT,de;q=0.9,en;q=0.8", "de"), ("fr,en;q=0.5", "en"), ("fr", "en"), ("", "en"), ("en,de", "en")],
)
def test_a_stranger_is_met_in_a_language_of_their_browser_or_in_english(asked, language):
    page = Client().get("/sign-in/", headers={"Accept-Language": asked})

    assert language_of(page) == language


def test_a_choice_before_the_sign_in_is_kept_in_a_cookie_and_wins_over_the_browser():
    client = Client(headers={"Accept-Language": "en"})

    answer = client.post("/language/", {"language": "de", "next": "/sign-in/?next=/tokens/"})

    cookie = client.cookies["language"]
    assert answer["Location"] == "/sign-in/?next=/tokens/"
    assert (cookie.value, cookie["samesite"], cookie["httponly"]) == ("de", "Lax", True)
    assert language_of(client.get("/sign-in/")) == "de"


def test_the_choice_of_a_person_is_kept_with_them_and_follows_them_to_another_browser(admin):
    signed_in(admin).post("/language/", {"language": "de"})

    elsewhere = signed_in(admin)
    elsewhere.cookies["language"] = "en"
    page = elsewhere.get("/tokens/", headers={"Accept-Language": "en"})

    assert User.objects.get(pk=admin.pk).language == "de"
    assert language_of(page) == "de"
    assert DISCLAIMER_IN_GERMAN in page.content.decode()


def test_the_disclaimer_can_be_read_in_another_language_before_it_is_accepted():
    client = signed_in(UserFactory(accepted=False, role_at=(SiteFactory(), Role.STAFF)))

    client.post("/language/", {"language": "de"})

    page = client.get("/disclaimer/")
    assert language_of(page) == "de"
    assert DISCLAIMER_IN_GERMAN in page.content.decode()


@pytest.mark.parametrize("asked", ["fr", "", "de-DE", "../de"])
def test_a_language_that_there_is_not_changes_nothing(admin, asked):
    client = signed_in(admin)

    answer = client.post("/language/", {"language": asked})

    assert answer.status_code == 302
    assert "language" not in client.cookies
    assert User.objects.get(pk=admin.pk).language == ""


@pytest.mark.parametrize("wanted", ["https://elsewhere.example/", "//elsewhere.example/", ""])
def test_choosing_a_language_leads_nobody_to_another_host(wanted):
    answer = Client().post("/language/", {"language": "de", "next": wanted})

    assert answer["Location"] == "/"


def test_a_cache_keeps_a_page_for_each_language_and_each_visitor(admin):
    pages = [Client().get("/sign-in/"), signed_in(admin).get("/tokens/")]

    for page in pages:
        varies = {name.strip() for name in page["Vary"].split(",")}
        assert varies >= {"Accept-Language", "Cookie"}


def test_the_moving_part_of_an_upload_comes_anew_in_another_language(admin):
    site = admin.memberships.get().site
    upload = UploadFactory(site=site, created_by=admin)
    client = signed_in(admin)
    address = f"/uploads/{upload.pk}/progress/"
    tag = client.get(address)["ETag"]

    same = client.get(address, headers={"If-None-Match": tag})
    client.post("/language/", {"language": "de"})
    other = client.get(address, headers={"If-None-Match": tag})

    assert same.status_code == 304
    assert other.status_code == 200
    assert "Dateien" in other.content.decode()


def test_the_api_answers_in_english_whatever_the_browser_or_the_person_prefers(admin):
    admin.language = "de"
    admin.save()
    client = signed_in(admin)
    client.cookies["language"] = "de"

    answers = [
        client.get("/api/v1/uploads/00000000-0000-4000-8000-000000000000/", headers={"Accept-Language": "de"}),
        client.post("/api/v1/uploads/", {"models": 3}, "application/json", headers={"Accept-Language": "de"}),
        Client().get("/api/v1/studies/", headers={"Accept-Language": "de"}),
    ]

    told = [(one.status_code, one.json()["code"], one.json()["what_to_do"]) for one in answers]
    assert told == [
        (404, "not_found", "Check the identifier; what you may not see is not found either."),
        (400, "invalid", "Correct the fields that are named and send the request again."),
        (401, "not_signed_in", "Send `Authorization: Token ...`, or sign in."),
    ]
    assert {one.json()["disclaimer"] for one in answers} == {DISCLAIMER}
    assert answers[1].json()["message"] == 'models: Expected a list of items but got type "int".'


def test_a_page_of_ours_has_refusals_told_in_its_own_language_under_the_same_codes(admin):
    site = admin.memberships.get().site
    upload = UploadFactory(site=site, created_by=admin)
    asked = {"files": [{"path": "a.png", "size": 0, "sha256": "e" * 64}]}
    client = signed_in(admin)
    address = f"/api/v1/uploads/{upload.pk}/check/"

    plain = client.post(address, asked, "application/json")
    german = client.post(address, asked, "application/json", headers={PAGE_HEADER: "de"})
    unknown = client.post(address, asked, "application/json", headers={PAGE_HEADER: "xx"})

    told = [one.json()["files"][0] for one in (plain, german, unknown)]
    assert [one["code"] for one in told] == ["empty_file"] * 3
    assert [one["message"] for one in told] == ["The file is empty.", "Die Datei ist leer.", "The file is empty."]
    assert PAGE_HEADER in german["Vary"]


def test_files_for_programs_are_the_same_in_every_language(admin):
    site = admin.memberships.get().site
    upload = UploadFactory(site=site, created_by=admin)
    ItemFactory(upload=upload, state="rejected", code="empty_file", size=1234)
    client = signed_in(admin)
    addresses = [f"/api/v1/uploads/{upload.pk}/receipt.csv", f"/api/v1/uploads/{upload.pk}/receipt/"]
    in_english = [b"".join(client.get(address).streaming_content) for address in addresses]

    client.post("/language/", {"language": "de"})
    in_german = [b"".join(client.get(address).streaming_content) for address in addresses]

    assert in_german == in_english
    assert b"The file is empty." in in_german[0]
    assert json.loads(in_german[1])["items"][0]["size"] == 1234


def test_a_thread_is_left_in_english_whatever_it_answered_and_however_that_ended(rf):
    def broken(request):
        assert translation.get_language() == "de"
        raise OperationalError("gone")

    request = rf.get("/", headers={"Accept-Language": "de"})
    request.user = AnonymousUser()

    with pytest.raises(OperationalError):
        LanguageMiddleware(broken)(request)

    assert translation.get_language() == settings.LANGUAGE_CODE


def test_a_page_says_that_the_database_is_away_in_the_language_of_the_browser(admin, monkeypatch):
    client = signed_in(admin)
    client.raise_request_exception = False

    def away(*_args, **_more):
        raise OperationalError("away")

    monkeypatch.setattr("screening.people.language.chosen_by", lambda _request: "")
    monkeypatch.setattr("screening.people.token_pages.tokens_of", away, raising=False)
    monkeypatch.setattr("screening.people.context._memberships", away)

    page = client.get("/tokens/", headers={"Accept-Language": "de"})

    assert page.status_code == 503
    assert language_of(page) == "de"
    assert "Der Dienst erreicht seine Datenbank im Moment nicht." in page.content.decode()
