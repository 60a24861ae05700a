"""The ways of readers who are blinded: along their own lists, and past what somebody else reads."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from screening.review.blind_lists import BlindList, following, page
from screening.review.blinding import Veil, is_hidden
from screening.review.claims import claim_study
from screening.review.models import Claim, Review
from screening.review.undo import undoable
from screening.users.models import Role, Site
from tests.factories import MembershipFactory, SiteFactory
from tests.review.test_claims import Desk, address
from tests.review.test_undo import answer

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk():
    desk = Desk()
    Site.objects.filter(pk=desk.site.pk).update(blinded_since=timezone.now() - timedelta(days=9), draw_key="k" * 64)
    return desk


def in_list(reader, which=BlindList.BLINDED):
    """Studies as they stand in the reader's own list."""
    return [spot.study for spot in page(Veil(reader), which, after=None)[0]]


@pytest.mark.parametrize("accept", ["text/html", "application/json"])
def test_where_every_site_is_blinded_the_way_on_is_the_blinded_list_and_nobody_says_that_nothing_waits(
    desk, client, accept
):
    desk.study(2), desk.study(1)
    client.force_login(desk.one)

    asked = client.post(reverse("review:next"), headers={"Accept": accept})

    assert (asked.json()["url"] if accept == "application/json" else asked.url) == reverse("review:blinded")
    assert client.get(reverse("review:to_read")).url == reverse("review:blinded")
    told = client.get(reverse("review:blinded"))
    assert len(told.context["rows"]) == 2
    assert "Nothing else waits" not in told.text


def test_who_reads_at_an_open_site_too_keeps_the_list_to_read(desk, client):
    MembershipFactory(user=desk.one, site=SiteFactory(), role=Role.REVIEWER)
    client.force_login(desk.one)

    assert client.get(reverse("review:to_read")).status_code == 200
    assert client.post(reverse("review:next")).url == reverse("review:to_read")


def test_who_reads_at_an_open_site_too_is_led_from_empty_open_lists_to_the_blind_list_that_waits(desk, client):
    MembershipFactory(user=desk.one, site=SiteFactory(), role=Role.REVIEWER)
    desk.study(2)
    client.force_login(desk.one)

    asked = client.post(reverse("review:next"))

    assert asked.url == reverse("review:blinded")
    assert "The open lists are done" in client.get(asked.url).text


def test_a_blind_list_in_which_another_reads_the_only_study_leads_nobody_there(desk, client):
    MembershipFactory(user=desk.one, site=SiteFactory(), role=Role.REVIEWER)
    claim_study(study_id=desk.study(2).pk, reader=desk.two)
    client.force_login(desk.one)

    assert client.post(reverse("review:next")).url == reverse("review:to_read")


def test_where_every_site_is_blinded_the_way_on_is_the_list_that_has_work(desk, client):
    Site.objects.filter(pk=desk.site.pk).update(second_share=1.0)
    answer(desk.study(3), desk.two)
    client.force_login(desk.one)

    assert client.post(reverse("review:next")).url == reverse("review:second")


def test_who_opens_a_hidden_study_that_another_reads_is_led_on_along_the_list_that_they_came_from(desk, client):
    Site.objects.filter(pk=desk.site.pk).update(second_share=1.0)
    for hours in (3, 2):
        answer(desk.study(hours), desk.two)
    desk.study(1), desk.study(0.5)
    client.force_login(desk.one)

    for which in (BlindList.BLINDED, BlindList.SECOND):
        here, after = in_list(desk.one, which)
        Claim.objects.create(study_id=here, reader=desk.two, until=timezone.now() + timedelta(minutes=1))
        opened = client.get(reverse("review:study", args=[here]), {"tray": which.value})
        asks = f"{reverse('review:claim', args=[here])}?tray={which.value}"
        assert f'data-claim="{asks}"' in opened.text

        told = client.post(asks).text

        assert f"{desk.two.username} is reading this study." in told
        assert f'href="{reverse("review:study", args=[after])}?tray={which.value}" data-next' in told
        assert reverse("review:next") not in told


def test_where_nothing_else_of_the_list_is_free_the_way_leads_back_to_it(desk, client):
    study = desk.study(1)
    claim_study(study_id=study.pk, reader=desk.two)
    client.force_login(desk.one)

    told = client.post(address(study, "claim")).text

    assert f'href="{reverse("review:blinded")}"' in told
    assert "data-next" not in told


def test_what_another_reads_does_not_come_next_in_a_blind_list(desk):
    first, second, third = (desk.study(hours) for hours in (1, 2, 3))
    order = in_list(desk.one)
    studies = {study.pk: study for study in (first, second, third)}
    assert following(Veil(desk.one), BlindList.BLINDED, studies[order[0]]) == order[1]

    claim = claim_study(study_id=order[1], reader=desk.two)

    assert following(Veil(desk.one), BlindList.BLINDED, studies[order[0]]) == order[2]
    Claim.objects.filter(pk=claim.pk).update(until=timezone.now() - timedelta(seconds=1))
    assert following(Veil(desk.one), BlindList.BLINDED, studies[order[0]]) == order[1]


def answered(client, study, value="present"):
    asked = client.post(f"{address(study, 'answer')}?tray=blinded", {"answer-covid": value, "revision": 1})
    return client.get(asked.url)


def test_a_blinded_reader_is_offered_the_way_back_on_the_page_that_opens_on_the_next_and_on_the_list(desk, client):
    study, other = desk.study(2), desk.study(1)
    client.force_login(desk.one)
    way_back = f'action="{address(study, "undo")}"'

    opened = answered(client, study)

    assert "Recorded." in opened.text
    assert opened.text.count(way_back) == 1
    hidden = client.get(address(other), {"tray": "blinded"})
    assert "Shown after your answer" in hidden.text
    assert hidden.text.count(way_back) == 1
    for name in ("blinded", "second", "adjudication"):
        assert client.get(reverse(f"review:{name}")).text.count(way_back) == 1


def test_after_taking_back_a_blinded_answer_the_reader_goes_on_blindly_and_what_they_saw_stays_known(desk, client):
    study = desk.study(2)
    client.force_login(desk.one)
    answered(client, study)

    back = client.post(address(study, "undo"), follow=True)

    assert back.redirect_chain == [(f"{address(study)}?tray=blinded", 302)]
    assert "Your answer was taken back." in back.text
    assert is_hidden(desk.two, study)
    client.post(f"{address(study, 'answer')}?tray=blinded", {"answer-covid": "absent", "revision": 1})
    first, second = Review.objects.filter(study=study).order_by("created_at")
    assert (first.answer, first.blinded, first.is_withdrawn) == ("present", True, True)
    assert (second.answer, second.blinded, second.kind) == ("absent", False, "after_unblinding")


def test_after_a_second_read_no_older_answer_is_offered_in_its_place(desk, client):
    Site.objects.filter(pk=desk.site.pk).update(second_share=1.0)
    mine, theirs = desk.study(3), desk.study(2)
    answer(theirs, desk.two)
    answer(mine, desk.one)
    assert undoable(desk.one)
    answer(theirs, desk.one)
    client.force_login(desk.one)

    assert "data-undo" not in client.get(reverse("review:blinded")).text
    assert undoable(desk.one) == []


def told_of(client, name="review:blinded"):
    page = client.get(reverse(name))
    return page, page.context["rows"]


def test_a_blind_list_says_what_somebody_reads_and_its_key_opens_the_first_that_nobody_does(desk, client):
    studies = {study.pk: study for study in (desk.study(30), desk.study(31), desk.study(32))}
    first, second, *_ = in_list(desk.one)
    claim_study(study_id=first, reader=desk.two)
    client.force_login(desk.one)

    page, rows = told_of(client)

    assert [row.is_held for row in rows] == [row.study.pk == first for row in rows]
    assert page.text.count("somebody is reading it") == 1
    assert desk.two.username not in page.text
    assert page.context["next_url"].startswith(address(studies[second]))
    assert page.text.count("data-key-n") == 1


def test_a_blind_list_says_how_long_its_studies_wait_and_which_are_overdue(desk, client):
    desk.study(30), desk.study(10.52), desk.study(3)  # due after 10 hours, what is flagged after 4
    client.force_login(desk.one)

    page, rows = told_of(client)

    assert sorted(row.is_overdue for row in rows) == [False, True, True]
    assert "The longest has waited 1\xa0day, 6\xa0hours." in page.text
    assert "On average: 14\xa0hours, 30\xa0minutes." in page.text
    assert page.text.count("tag-overdue") == 2


def test_when_a_study_is_due_in_a_blind_list_tells_nothing_of_a_flag(desk, client):
    flagged, plain = desk.study(6), desk.study(6, flagged=False)
    client.force_login(desk.one)

    _, rows = told_of(client)

    assert {row.study.pk for row in rows} == {flagged.pk, plain.pk}
    assert len({row.due for row in rows}) == 1
    assert not any(row.is_overdue for row in rows)  # though what is flagged is due after 4 hours


def test_a_second_read_waits_since_it_became_due_and_not_since_its_study_was_complete(desk, client):
    Site.objects.filter(pk=desk.site.pk).update(second_share=1.0)
    answer(desk.study(40), desk.one)
    client.force_login(desk.two)

    _, [row] = told_of(client, "review:second")

    assert not row.is_overdue
    assert row.due > timezone.now() + timedelta(hours=9)


def test_a_blind_list_of_which_others_read_all_leads_to_none(desk, client):
    claim_study(study_id=desk.study(2).pk, reader=desk.two)
    client.force_login(desk.one)

    page, _ = told_of(client)

    assert page.context["next_url"] == ""
