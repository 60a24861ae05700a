from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection
from django.urls import reverse

from screening.audit.actor import Actor
from screening.errors import LastAdministrator
from screening.people.members import change_role, remove_member
from screening.people.tokens import make_token
from screening.users.models import ApiToken, Membership, OneTimeLink, Role, Scope, Site
from tests.factories import SiteFactory, UserFactory
from tests.people.conftest import signed_in


def page_of(people, name: str, *more) -> str:
    return reverse(name, args=[people.site.pk, *more])


def acts(people) -> list[tuple[str, dict]]:
    """Every unsafe route of a site's page, with a body that would be obeyed if it came from its administrator."""
    link = OneTimeLink.objects.create(
        kind="invitation", digest="d" * 64, site=people.site, role="staff", expires_at="2999-01-01T00:00Z"
    )
    member = people.membership(people.colleague)
    return [
        (page_of(people, "site_invite"), {"role": "admin"}),
        (page_of(people, "invitation_withdraw", link.pk), {}),
        (page_of(people, "member_role", member.pk), {"role": "admin"}),
        (page_of(people, "member_remove", member.pk), {}),
        (page_of(people, "site_policy"), {"hold_burned_in": "on"}),
    ]


def state(people) -> tuple:
    return (
        list(Membership.objects.order_by("pk").values_list("user", "site", "role")),
        list(OneTimeLink.objects.order_by("pk").values_list("pk", "used_at")),
        Site.objects.get(pk=people.site.pk).hold_burned_in,
        people.events(),
    )


@pytest.mark.parametrize("who", ["colleague", "stranger"])
def test_whoever_is_not_an_administrator_of_the_site_finds_nothing_and_changes_nothing(people, who):
    client = signed_in(getattr(people, who))
    tried = acts(people)
    before = state(people)

    shown = [client.get(page_of(people, name)).status_code for name in ("admin_site", "site_audit")]
    answers = [client.post(url, body).status_code for url, body in tried]

    assert shown == [404, 404]
    assert answers == [404] * 5
    assert state(people) == before


def test_a_member_of_another_site_cannot_be_reached_through_ones_own(people):
    theirs = Membership.objects.get(user=people.stranger)
    client = signed_in(people.admin)

    answers = [
        client.post(page_of(people, "member_role", theirs.pk), {"role": "staff"}).status_code,
        client.post(page_of(people, "member_remove", theirs.pk)).status_code,
    ]

    theirs.refresh_from_db()
    assert answers == [404, 404]
    assert theirs.role == Role.ADMIN


def test_the_page_names_members_and_their_tokens_at_this_site_alone(people):
    other = SiteFactory()
    Membership.objects.create(user=people.colleague, site=other, role=Role.STAFF)
    for site in (people.site, other, other):
        make_token(user=people.colleague, site=site, name="a", scopes=[Scope.READ], days=1)

    answer = signed_in(people.admin).get(page_of(people, "admin_site"))

    assert [(m.user, m.role, m.tokens) for m in answer.context["members"]] == [
        (people.admin, "admin", 0),
        (people.colleague, "staff", 1),
    ]
    assert people.stranger.username not in answer.content.decode()


def test_an_invitation_is_shown_once_with_its_whole_address(people):
    client = signed_in(people.admin)

    made = client.post(page_of(people, "site_invite"), {"role": "reviewer"})
    later = client.get(page_of(people, "admin_site"))

    link = f"http://testserver{reverse('invitation', args=[made.context['made'].secret])}"
    assert link in made.content.decode()
    assert "no-store" in made["Cache-Control"]
    assert made.context["made"].secret not in later.content.decode()
    assert people.events() == [("member:invited", f"user:{people.admin.pk}", {"role": "reviewer"})]


def test_a_role_that_does_not_exist_is_refused(people):
    answer = signed_in(people.admin).post(
        page_of(people, "member_role", people.membership(people.colleague).pk), {"role": "god"}
    )

    assert answer.status_code == 400
    assert people.membership(people.colleague).role == Role.STAFF
    assert people.events() == []


def test_a_new_role_takes_away_the_tokens_that_go_beyond_it(people):
    keep = make_token(user=people.colleague, site=people.site, name="keep", scopes=[Scope.READ], days=1).token
    make_token(user=people.colleague, site=people.site, name="lose", scopes=[Scope.UPLOAD], days=1)

    signed_in(people.admin).post(
        page_of(people, "member_role", people.membership(people.colleague).pk), {"role": "reviewer"}
    )

    assert people.membership(people.colleague).role == Role.REVIEWER
    assert ApiToken.objects.get() == keep
    detail = {"user": people.colleague.pk, "before": "staff", "role": "reviewer", "tokens_revoked": 1}
    assert people.events()[-1] == ("member:role_changed", f"user:{people.admin.pk}", detail)


def test_setting_the_role_that_somebody_has_writes_nothing(people):
    membership = people.membership(people.colleague)

    change_role(membership=membership, role=Role.STAFF, actor=Actor.user(people.admin))

    assert people.events() == []


def test_removing_a_member_asks_first_and_then_ends_access_and_tokens(people):
    other = SiteFactory()
    Membership.objects.create(user=people.colleague, site=other, role=Role.STAFF)
    for site in (people.site, other):
        make_token(user=people.colleague, site=site, name="a", scopes=[Scope.READ], days=1)
    url = page_of(people, "member_remove", people.membership(people.colleague).pk)
    client = signed_in(people.admin)

    asked = client.get(url)
    still_there = Membership.objects.filter(user=people.colleague, site=people.site).exists()
    client.post(url)

    assert f"Remove {people.colleague.username}?" in asked.content.decode()
    assert still_there
    assert [m.site for m in people.colleague.memberships.all()] == [other]
    assert [token.site for token in ApiToken.objects.all()] == [other]
    detail = {"user": people.colleague.pk, "tokens_revoked": 1}
    assert people.events()[-1] == ("member:removed", f"user:{people.admin.pk}", detail)


@pytest.mark.parametrize("act", ["remove", "demote"])
def test_the_last_administrator_stays(people, act):
    membership = people.membership(people.admin)
    name, body = ("member_remove", {}) if act == "remove" else ("member_role", {"role": "staff"})

    answer = signed_in(people.admin).post(page_of(people, name, membership.pk), body)

    assert answer.status_code == 409
    assert "Make somebody else an administrator first." in answer.content.decode()
    assert people.membership(people.admin).role == Role.ADMIN
    assert people.events() == []


def test_an_administrator_leaves_when_another_stays(people):
    second = UserFactory(role_at=(people.site, Role.ADMIN))

    answer = signed_in(second).post(page_of(people, "member_remove", people.membership(second).pk))

    assert answer["Location"] == reverse("sites")
    assert not second.memberships.exists()


def test_an_administrator_whose_account_is_closed_does_not_count(people):
    second = UserFactory(role_at=(people.site, Role.ADMIN), is_active=False)

    with pytest.raises(LastAdministrator):
        remove_member(membership=people.membership(people.admin), actor=Actor.user(second))


@pytest.mark.django_db(transaction=True)
def test_two_administrators_who_remove_each_other_at_once_leave_one():
    site = SiteFactory()
    members = [Membership.objects.create(user=UserFactory(), site=site, role=Role.ADMIN) for _ in range(2)]
    together = Barrier(2)

    def remove(membership: Membership) -> bool:
        together.wait(timeout=10)
        try:
            remove_member(membership=membership, actor=Actor.service("test"))
        except LastAdministrator:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(2) as pool:
        removed = list(pool.map(remove, members))

    assert sorted(removed) == [False, True]
    assert Membership.objects.filter(site=site, role=Role.ADMIN).count() == 1


def test_a_policy_is_stored_and_told_once(people):
    client = signed_in(people.admin)

    for body in ({"hold_burned_in": "on"}, {"hold_burned_in": "on"}, {}):
        client.post(page_of(people, "site_policy"), body)

    assert not Site.objects.get(pk=people.site.pk).hold_burned_in
    actor = f"user:{people.admin.pk}"
    assert people.events() == [
        ("site:policy_changed", actor, {"hold_burned_in": True}),
        ("site:policy_changed", actor, {"hold_burned_in": False}),
    ]


def test_masking_of_text_is_off_until_it_is_chosen_and_the_page_says_what_it_does_not_do(people):
    client = signed_in(people.admin)
    assert not Site.objects.get(pk=people.site.pk).mask_text

    client.post(page_of(people, "site_policy"), {"mask_text": "on"})
    page = client.get(page_of(people, "admin_site"))

    site = Site.objects.get(pk=people.site.pk)
    assert (site.mask_text, site.hold_burned_in) == (True, False)
    assert page.context["policy"].initial == {"hold_burned_in": False, "mask_text": True}
    assert "not a guarantee of anonymity" in page.content.decode()
    assert people.events() == [("site:policy_changed", f"user:{people.admin.pk}", {"mask_text": True})]


def test_one_site_is_gone_to_at_once_and_several_are_listed(people):
    client = signed_in(people.admin)
    second = SiteFactory(name="Second site")

    straight = client.get("/sites/")
    Membership.objects.create(user=people.admin, site=second, role=Role.ADMIN)
    listed = client.get("/sites/")

    assert straight["Location"] == page_of(people, "admin_site")
    assert list(listed.context["sites"]) == sorted([people.site, second], key=lambda site: site.name)


def test_what_happened_is_told_with_names_the_newest_first_page_by_page(people):
    client = signed_in(people.admin)
    for number in range(51):
        client.post(page_of(people, "site_policy"), {"hold_burned_in": "on"} if number % 2 == 0 else {})

    first = client.get(page_of(people, "site_audit"))
    second = client.get(page_of(people, "site_audit"), {"before": first.context["page"].older})

    assert [h.event.seq for h in first.context["page"].happenings] == list(range(51, 1, -1))
    assert [h.event.seq for h in second.context["page"].happenings] == [1]
    assert {h.who for h in first.context["page"].happenings} == {people.admin.username}
    assert "The chain is whole: 51 events" in first.content.decode()
    assert second.context["page"].older is None


def test_details_name_people_in_words(people):
    signed_in(people.admin).post(
        page_of(people, "member_role", people.membership(people.colleague).pk), {"role": "reviewer"}
    )

    [happening] = signed_in(people.admin).get(page_of(people, "site_audit")).context["page"].happenings

    assert sorted(happening.detail) == [
        "before: staff",
        "role: reviewer",
        "tokens revoked: 0",
        f"user: {people.colleague.username}",
    ]
