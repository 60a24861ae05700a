"""The ways of readers who are blinded: along their own lists, and past what somebody else reads."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from screening.review.blind_lists import BlindList, following, page
from screening.review.blinding import Veil
from screening.review.claims import claim_study
from screening.review.models import Claim
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
