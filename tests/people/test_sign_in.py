import pytest
from django.test import Client
from django.urls import reverse

from screening.users.models import Membership, Role, User
from tests.factories import SiteFactory, UserFactory
from tests.people.conftest import PASSWORD, signed_in

pytestmark = pytest.mark.django_db
SIGN_IN = "/sign-in/"


@pytest.fixture
def keeper(people):
    people.admin.set_password(PASSWORD)
    people.admin.save()
    return people.admin


def try_to_sign_in(username: str, password: str, **extra: str):
    return Client().post(SIGN_IN, {"username": username, "password": password}, **extra)


def test_a_password_signs_in_and_the_site_is_told(people, keeper):
    client = Client()
    client.get(SIGN_IN)
    before = client.session.session_key

    answer = client.post(SIGN_IN, {"username": keeper.username, "password": PASSWORD})

    assert (answer.status_code, answer["Location"]) == (302, reverse("home"))
    assert client.session.session_key != before  # nobody keeps a session that was planted
    assert people.events() == [("session:signed_in", f"user:{keeper.pk}", {"method": "password"})]


def test_a_refused_try_says_the_same_for_known_unknown_and_closed_accounts(people, keeper):
    User.objects.create_user("closed", password=PASSWORD, is_active=False)

    def page(username: str) -> str:
        text = try_to_sign_in(username, "wrong").content.decode()
        return text.replace(username, "NAME").split('name="next"')[1].split("</form>")[0]

    pages = {page(keeper.username), page("nobody.of.this.name"), page("closed")}

    assert len(pages) == 1
    assert "This name and password do not belong together." in pages.pop()
    assert people.events() == []


@pytest.mark.parametrize("known", [True, False])
def test_after_eight_failures_the_name_is_shut_from_that_address_known_or_not(keeper, known):
    username = keeper.username if known else "nobody.of.this.name"
    tries = [try_to_sign_in(username, f"wrong{n}").status_code for n in range(8)]

    locked = try_to_sign_in(username, PASSWORD)

    assert tries == [200] * 7 + [429]
    assert locked.status_code == 429
    assert "Too many tries" in locked.content.decode()
    assert "_auth_user_id" not in locked.client.session


def test_a_forged_forwarding_header_opens_no_new_door(keeper):
    for n in range(8):
        try_to_sign_in(keeper.username, "wrong", HTTP_X_FORWARDED_FOR=f"10.0.0.{n}")

    assert try_to_sign_in(keeper.username, PASSWORD, HTTP_X_FORWARDED_FOR="10.9.9.9").status_code == 429


def test_a_name_that_is_shut_from_one_address_is_open_from_another(keeper):
    for n in range(8):
        try_to_sign_in(keeper.username, f"wrong{n}")

    assert try_to_sign_in(keeper.username, PASSWORD, REMOTE_ADDR="10.0.0.9").status_code == 302


def test_a_success_forgets_the_failures_before_it(keeper):
    for _ in range(2):
        for n in range(6):
            try_to_sign_in(keeper.username, f"wrong{n}")
        assert try_to_sign_in(keeper.username, PASSWORD).status_code == 302


def test_nobody_is_sent_to_another_host_after_signing_in(keeper):
    answer = Client().post(f"{SIGN_IN}?next=https://evil.example/", {"username": keeper.username, "password": PASSWORD})

    assert answer["Location"] == reverse("home")


def test_signing_out_takes_a_post_and_ends_the_session(people):
    client = signed_in(people.admin)

    assert client.get("/sign-out/").status_code == 405
    assert client.post("/sign-out/")["Location"] == SIGN_IN
    assert "_auth_user_id" not in client.session


def test_a_form_without_its_token_is_refused_with_what_to_do(keeper):
    strict = Client(enforce_csrf_checks=True)

    answer = strict.post(SIGN_IN, {"username": keeper.username, "password": PASSWORD})

    assert answer.status_code == 403
    assert "Reload the page and send the form again." in answer.content.decode()
    assert "_auth_user_id" not in strict.session


@pytest.mark.parametrize(
    ("role", "start"),
    [
        (Role.ADMIN, "desk:upload"),
        (Role.STAFF, "desk:upload"),
        (Role.REVIEWER, "review:worklist"),
        (Role.INTEGRATOR, "tokens"),
    ],
)
def test_everybody_starts_where_their_work_begins(role, start):
    user = UserFactory(role_at=(SiteFactory(), role))

    assert signed_in(user).get("/")["Location"] == reverse(start)


def test_a_person_of_no_site_is_told_how_to_join_one():
    answer = signed_in(UserFactory()).get("/")

    assert answer.status_code == 200
    assert "You belong to no site" in answer.content.decode()


def test_the_ways_of_the_top_bar_are_those_of_the_roles_at_all_sites():
    user = UserFactory(role_at=(SiteFactory(), Role.STAFF))

    page = signed_in(user).get("/tokens/").content.decode()
    Membership.objects.create(user=user, site=SiteFactory(), role=Role.REVIEWER)
    wider = signed_in(user).get("/tokens/").content.decode()

    worklist = f'href="{reverse("review:to_read")}"'
    assert worklist not in page
    assert worklist in wider
    assert f'href="{reverse("sites")}"' not in wider


def test_a_first_password_needs_no_old_one_and_a_second_does(people):
    people.admin.set_unusable_password()
    people.admin.save()
    client = signed_in(people.admin)

    first = client.post("/password/", {"new": PASSWORD, "again": PASSWORD})
    without = client.post("/password/", {"new": "another good one", "again": "another good one"})
    wrong = client.post("/password/", {"old": "wrong", "new": "another good one", "again": "another good one"})
    people.admin.refresh_from_db()
    kept = people.admin.check_password(PASSWORD)
    second = client.post("/password/", {"old": PASSWORD, "new": "another good one", "again": "another good one"})

    people.admin.refresh_from_db()
    assert (first.status_code, without.status_code, wrong.status_code, second.status_code) == (302, 200, 200, 302)
    assert kept
    assert people.admin.check_password("another good one")
    assert [action for action, *_ in people.events()] == ["password:set", "password:set"]


def test_a_new_password_ends_every_other_session_and_keeps_this_one(keeper):
    here, elsewhere = signed_in(keeper), signed_in(keeper)

    here.post("/password/", {"old": PASSWORD, "new": "another good one", "again": "another good one"})

    assert here.get("/tokens/").status_code == 200
    assert elsewhere.get("/tokens/")["Location"].startswith(SIGN_IN)
