from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from screening.people.links import find_link
from screening.users.models import Membership, OneTimeLink, Role, Site, User
from tests.factories import SiteFactory, UserFactory

pytestmark = pytest.mark.django_db


def run(*words: str) -> str:
    out = StringIO()
    call_command(*words, stdout=out)
    return out.getvalue()


def test_bootstrap_makes_the_first_site_and_its_administrator_and_prints_nothing():
    printed = run("bootstrap")

    membership = Membership.objects.get()
    assert printed == ""
    assert (membership.site.name, membership.user.username, membership.role) == ("First site", "admin", Role.ADMIN)
    assert not membership.user.has_usable_password()


def test_bootstrap_twice_changes_nothing():
    run("bootstrap")
    before = (list(Site.objects.values()), list(User.objects.values()), list(Membership.objects.values()))

    run("bootstrap")

    assert (list(Site.objects.values()), list(User.objects.values()), list(Membership.objects.values())) == before


def test_the_link_of_bootstrap_lets_the_administrator_in():
    printed = run("bootstrap", "--link", "--base-url", "http://127.0.0.1:8123/")

    begin = "sign-in: http://127.0.0.1:8123/enter/"
    assert printed.startswith(begin)
    assert printed.count("\n") == 1
    client = Client()
    client.post(printed.strip().removeprefix("sign-in: http://127.0.0.1:8123"))
    assert client.session["_auth_user_id"] == str(User.objects.get().pk)


def test_bootstrap_leaves_an_installation_with_an_administrator_as_it_is():
    admin = UserFactory(username="chief", role_at=(SiteFactory(name="Ward"), Role.ADMIN))

    printed = run("bootstrap", "--link")

    secret = printed.strip().rsplit("/", 2)[1]
    assert find_link(secret, OneTimeLink.Kind.SIGN_IN).user == admin
    assert [site.name for site in Site.objects.all()] == ["Ward"]


def test_bootstrap_makes_nobody_an_administrator_for_being_called_admin():
    site = SiteFactory()
    named_admin = UserFactory(username="admin", role_at=(site, Role.STAFF))

    run("bootstrap")

    assert named_admin.memberships.get().role == Role.STAFF
    assert Membership.objects.get(role=Role.ADMIN).user.username == "admin-2"
    assert Site.objects.get() == site


def test_a_site_is_made_and_its_first_administrator_invited_without_mail():
    made = run("create_site", "Ward 3")
    site = Site.objects.get()
    assert made.splitlines() == [f"site: {site.pk}", f"next: python manage.py invite {site.pk} admin"]

    by_id = run("invite", str(site.pk), "admin", "--base-url", "https://screening.example")
    by_name = run("invite", "Ward 3", "staff")

    assert by_id.startswith("invitation: https://screening.example/invitation/")
    assert by_name.startswith("invitation: http://127.0.0.1:8000/invitation/")
    link = find_link(by_id.strip().rsplit("/", 2)[1], OneTimeLink.Kind.INVITATION)
    assert (link.site, link.role) == (site, Role.ADMIN)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("create_site", "Ward"), "exists already"),
        (("create_site", "  "), "1 to 120 characters"),
        (("create_site", "x" * 121), "1 to 120 characters"),
        (("invite", "Elsewhere", "staff"), "There is no such site"),
        (("invite", "00000000-0000-0000-0000-000000000000", "staff"), "There is no such site"),
        (("invite", "Ward", "god"), "invalid choice"),
    ],
)
def test_what_cannot_be_made_is_said_and_not_made(words, said):
    SiteFactory(name="Ward")

    with pytest.raises(CommandError, match=said):
        run(*words)

    assert Site.objects.count() == 1
    assert not OneTimeLink.objects.exists()
