from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from screening.audit.actor import Actor
from screening.errors import InvitationInvalid
from screening.people.links import consume, invite, make_sign_in_link, open_invitations, withdraw_invitation
from screening.users.models import Membership, OneTimeLink, Role, User
from tests.people.conftest import PASSWORD, signed_in

NEW_ACCOUNT = {"username": "newcomer", "password": PASSWORD, "again": PASSWORD}


def enter(secret: str) -> str:
    return reverse("enter", args=[secret])


def invitation(secret: str) -> str:
    return reverse("invitation", args=[secret])


def invited(people, role: Role = Role.REVIEWER) -> str:
    return invite(site=people.site, role=role, actor=Actor.user(people.admin), created_by=people.admin).secret


def test_looking_at_a_sign_in_link_uses_nothing_up_and_the_button_signs_in_once(people):
    people.admin.set_unusable_password()
    people.admin.save()
    secret = make_sign_in_link(user=people.admin).secret
    client = Client()

    looked = [client.get(enter(secret)), client.head(enter(secret)), client.get(enter(secret))]
    pressed = client.post(enter(secret))
    again = Client().post(enter(secret))

    assert [answer.status_code for answer in looked] == [200, 200, 200]
    assert (pressed.status_code, pressed["Location"]) == (302, reverse("password"))
    assert client.session["_auth_user_id"] == str(people.admin.pk)
    assert again.status_code == 410
    assert people.events() == [("session:signed_in", f"user:{people.admin.pk}", {"method": "link"})]


def test_only_the_hash_of_a_link_is_stored(people):
    secret = make_sign_in_link(user=people.admin).secret

    [row] = OneTimeLink.objects.values()

    assert secret not in str(row)
    assert len(row["digest"]) == 64


def test_a_new_sign_in_link_replaces_the_older_one(people):
    older = make_sign_in_link(user=people.admin).secret
    newer = make_sign_in_link(user=people.admin).secret

    assert Client().get(enter(older)).status_code == 410
    assert Client().get(enter(newer)).status_code == 200


@pytest.mark.parametrize("state", ["used", "expired", "unknown", "of another kind"])
def test_a_link_that_is_no_longer_good_says_the_same_whatever_the_reason(people, state):
    secret = make_sign_in_link(user=people.admin).secret
    if state == "used":
        Client().post(enter(secret))
    elif state == "expired":
        OneTimeLink.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    elif state == "unknown":
        secret = "x" * 43
    else:
        secret = invited(people)
    before = people.events()

    shown, pressed = Client().get(enter(secret)), Client().post(enter(secret))

    assert (shown.status_code, pressed.status_code) == (410, 410)
    assert "This link was used before, has expired or is not complete." in shown.content.decode()
    assert people.events() == before
    with pytest.raises(InvitationInvalid):
        consume(secret, OneTimeLink.Kind.SIGN_IN)


def test_an_invitation_opens_an_account_with_the_role_and_signs_in(people):
    secret = invited(people)
    client = Client()

    shown = client.get(invitation(secret))
    joined = client.post(invitation(secret), NEW_ACCOUNT)

    newcomer = User.objects.get(username="newcomer")
    assert f"Join {people.site.name}" in shown.content.decode()
    assert (joined.status_code, joined["Location"]) == (302, reverse("home"))
    assert client.session["_auth_user_id"] == str(newcomer.pk)
    assert people.membership(newcomer).role == Role.REVIEWER
    assert newcomer.check_password(PASSWORD)
    assert people.events() == [
        ("member:invited", f"user:{people.admin.pk}", {"role": "reviewer"}),
        ("member:joined", f"user:{newcomer.pk}", {"user": newcomer.pk, "role": "reviewer"}),
    ]


def test_an_invitation_is_used_once(people):
    secret = invited(people)
    Client().post(invitation(secret), NEW_ACCOUNT)

    second = Client().post(invitation(secret), {**NEW_ACCOUNT, "username": "second"})

    assert second.status_code == 410
    assert not User.objects.filter(username="second").exists()


def test_somebody_with_an_account_joins_with_it(people):
    secret = invited(people, Role.INTEGRATOR)
    count = User.objects.count()

    joined = signed_in(people.stranger).post(invitation(secret))

    assert joined.status_code == 302
    assert people.membership(people.stranger).role == Role.INTEGRATOR
    assert User.objects.count() == count


def test_a_member_cannot_join_again_and_the_link_stays_good(people):
    secret = invited(people, Role.ADMIN)

    refused = signed_in(people.colleague).post(invitation(secret))

    assert refused.status_code == 409
    assert "You belong to this site already." in refused.content.decode()
    assert people.membership(people.colleague).role == Role.STAFF
    assert Client().get(invitation(secret)).status_code == 200


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"username": "ADMIN"}, "This user name is taken."),
        ({"username": "two words"}, "Letters, digits"),
        ({"password": "password", "again": "password"}, "too common"),
        ({"password": "newcomer1", "again": "newcomer1"}, "too similar"),
        ({"again": "something else"}, "The two passwords differ."),
        ({"password": "", "again": ""}, "This field is required."),
    ],
)
def test_an_account_that_cannot_be_opened_leaves_the_invitation_good(people, change, said):
    User.objects.create_user("admin")
    secret = invited(people)
    count = User.objects.count()

    refused = Client().post(invitation(secret), {**NEW_ACCOUNT, **change})

    assert refused.status_code == 200
    assert said in refused.content.decode()
    assert User.objects.count() == count
    assert Client().get(invitation(secret)).status_code == 200


def test_a_withdrawn_invitation_lets_nobody_in(people):
    made = invite(site=people.site, role=Role.STAFF, actor=Actor.user(people.admin))

    withdraw_invitation(site=people.site, link_id=made.link.pk, actor=Actor.user(people.admin))
    withdraw_invitation(site=people.site, link_id=made.link.pk, actor=Actor.user(people.admin))

    assert open_invitations(people.site) == []
    assert Client().post(invitation(made.secret), NEW_ACCOUNT).status_code == 410
    assert [action for action, *_ in people.events()] == ["member:invited", "member:invitation_withdrawn"]


def test_a_closed_account_is_not_let_in_by_its_link(people):
    secret = make_sign_in_link(user=people.colleague).secret
    User.objects.filter(pk=people.colleague.pk).update(is_active=False)
    client = Client()

    answer = client.post(enter(secret))

    assert answer.status_code == 410
    assert "_auth_user_id" not in client.session
    assert people.events() == []


def test_the_only_way_to_a_membership_is_an_invitation(people):
    before = Membership.objects.count()

    for user in (people.stranger, people.colleague):
        signed_in(user).post(reverse("site_invite", args=[people.site.pk]), {"role": "admin"})

    assert Membership.objects.count() == before
    assert open_invitations(people.site) == []
