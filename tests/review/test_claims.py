"""Who has a study open, what comes next, and what becomes of an answer from a page that is no longer true."""

from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from django.urls import reverse
from django.utils import timezone

from screening.review.claims import claim_study, look_ahead, release_claim, renew_claim, take_next
from screening.review.errors import StudyTaken
from screening.review.models import Bookmark, Claim, Review
from screening.review.order import Line
from screening.studies.models import Study
from screening.users.models import Role
from tests.factories import ImageFactory, ScreeningFactory, SiteFactory, StudyFactory, UploadFactory, UserFactory

pytestmark = pytest.mark.django_db


def ago(hours: float) -> datetime:
    """So many hours before this moment; a time taken at import would be older by what ran between."""
    return timezone.now() - timedelta(hours=hours)


class Desk:
    """A site with two readers, and studies that wait."""

    def __init__(self) -> None:
        self.opened = timezone.now()
        self.site = SiteFactory(flagged_hours=4, rest_hours=10)
        self.one, self.two = (UserFactory(role_at=(self.site, Role.REVIEWER)) for _ in range(2))
        self.upload = UploadFactory(site=self.site, finished=True)

    def study(self, hours: float, *, flagged: bool = True) -> Study:
        study = StudyFactory(
            upload=self.upload, ready=True, flagged=flagged, completed_at=self.opened - timedelta(hours=hours)
        )
        ScreeningFactory(image=ImageFactory(study=study), scored_flagged=flagged, scored=not flagged)
        return study


@pytest.fixture
def desk():
    return Desk()


def address(study, name="study"):
    return reverse(f"review:{name}", args=[study.pk])


def end(claim) -> None:
    Claim.objects.filter(pk=claim.pk).update(until=timezone.now() - timedelta(seconds=1))


def test_of_two_readers_the_first_has_the_study_and_the_second_is_told_who(desk):
    study = desk.study(1)
    claim_study(study_id=study.pk, reader=desk.one)

    with pytest.raises(StudyTaken, match=f"{desk.one.username} is reading"):
        claim_study(study_id=study.pk, reader=desk.two)

    assert Claim.objects.get().reader == desk.one
    assert not Bookmark.objects.filter(reader=desk.two).exists()


def test_a_claim_left_behind_frees_itself(desk):
    study = desk.study(1)
    end(claim_study(study_id=study.pk, reader=desk.one))

    assert claim_study(study_id=study.pk, reader=desk.two).reader == desk.two


def test_a_claim_of_a_time_when_the_clock_was_ahead_holds_nothing(desk):
    study = desk.study(1)
    claim_study(study_id=study.pk, reader=desk.one)
    Claim.objects.update(until=timezone.now() + timedelta(hours=8))

    claim_study(study_id=study.pk, reader=desk.two)
    assert Claim.objects.get().reader == desk.two


def test_a_claim_is_prolonged_and_released_only_by_the_page_that_holds_it(desk):
    study = desk.study(1)
    old = claim_study(study_id=study.pk, reader=desk.one)
    new = claim_study(study_id=study.pk, reader=desk.one)  # the same reader on another computer

    assert not renew_claim(study_id=study.pk, reader=desk.one, token=old.token)
    assert not release_claim(study_id=study.pk, reader=desk.one, token=old.token)
    assert renew_claim(study_id=study.pk, reader=desk.one, token=new.token)
    assert release_claim(study_id=study.pk, reader=desk.one, token=new.token)
    assert not Claim.objects.exists()


def test_next_takes_turns_skips_what_others_read_and_comes_back_to_what_was_passed_over(desk):
    flagged, second = desk.study(3), desk.study(2)
    late, later = desk.study(30, flagged=False), desk.study(20, flagged=False)
    claim_study(study_id=second.pk, reader=desk.two)
    taken, leaving = [], None

    for _ in range(4):
        leaving = take_next(reader=desk.one, leaving=leaving).study_id
        taken.append(leaving)

    assert taken == [flagged.pk, late.pk, later.pk, flagged.pk]
    assert Claim.objects.get(reader=desk.one).study_id == flagged.pk


def test_next_goes_round_all_that_was_passed_over_the_longest_ago_first(desk):
    studies = [desk.study(hours).pk for hours in (4, 3, 2, 1)]
    taken, leaving = [], None

    for _ in range(9):
        seen = look_ahead(desk.one, leaving=leaving)
        claim = take_next(reader=desk.one, leaving=leaving)
        assert seen == (claim.study_id, Line.URGENT)
        leaving = claim.study_id
        taken.append(studies.index(leaving))

    assert taken == [0, 1, 2, 3, 0, 1, 2, 3, 0]


def test_what_came_since_goes_before_all_that_was_passed_over(desk):
    first, second = desk.study(2), desk.study(1)
    leaving = None
    for _ in range(3):
        leaving = take_next(reader=desk.one, leaving=leaving).study_id
    assert leaving == first.pk

    late = desk.study(0.5)

    assert take_next(reader=desk.one, leaving=leaving).study_id == late.pk
    assert take_next(reader=desk.one, leaving=late.pk).study_id == second.pk


def test_looking_ahead_tells_what_next_will_take_and_claims_nothing(desk):
    first, second = desk.study(3), desk.study(2)
    take_next(reader=desk.one, leaving=None)

    seen = look_ahead(desk.one, leaving=first.pk)

    assert seen == (second.pk, Line.URGENT)
    assert Claim.objects.count() == 1
    assert take_next(reader=desk.one, leaving=first.pk).study_id == second.pk


def test_next_ends_where_nothing_else_waits(desk, client):
    study = desk.study(1)
    client.force_login(desk.one)

    opened = client.post(reverse("review:next"))
    over = client.post(reverse("review:next"), {"leaving": study.pk})

    assert opened.url == f"{address(study)}?tray=to_read"
    assert over.url == reverse("review:to_read")
    assert "Nothing else waits to be read." in client.get(over.url).text
    assert not Claim.objects.exists()


def test_opening_and_looking_claim_nothing_and_the_page_asks_for_it(desk, client):
    study = desk.study(1)
    client.force_login(desk.one)

    page = client.get(address(study), {"tray": "to_read"}).text
    assert not Claim.objects.exists()
    assert f'data-claim="{address(study, "claim")}"' in page

    held = client.post(address(study, "claim")).context["claim"]
    assert client.post(address(study, "claim"), {"token": held.token}).status_code == 204
    client.force_login(desk.two)
    told = client.post(address(study, "claim")).text
    assert f"{desk.one.username} is reading this study." in told
    assert "Take the next study" in told


def test_an_answer_while_another_reads_is_refused_and_nothing_typed_is_lost(desk, client):
    study = desk.study(1)
    claim = claim_study(study_id=study.pk, reader=desk.two)
    client.force_login(desk.one)
    typed = {"answer-covid": "unsure", "comment": "my words", "revision": 1}

    page = client.post(address(study, "answer"), typed)

    assert f"{desk.two.username} is reading this study." in page.text
    assert "my words" in page.text
    assert 'value="unsure" required checked' in page.text
    assert not Review.objects.exists()
    end(claim)
    assert "Recorded." in client.post(address(study, "answer"), typed).text


def test_an_answer_from_a_page_that_showed_fewer_pictures_is_refused_until_the_study_is_looked_at_again(desk, client):
    study = desk.study(1)
    Study.objects.filter(pk=study.pk).update(revision=2)
    client.force_login(desk.one)
    typed = {"answer-covid": "absent", "comment": "my words", "revision": 1}

    for _ in range(2):  # the form that comes back is as stale as the one before
        page = client.post(address(study, "answer"), typed)
        assert "A picture of this study came in since you opened it." in page.text
        assert 'name="revision" value="1"' in page.text
        assert "my words" in page.text
    assert not Review.objects.exists()

    assert 'name="revision" value="2"' in client.get(address(study)).text
    assert "Recorded." in client.post(address(study, "answer"), typed | {"revision": 2}).text


def test_an_answer_gives_the_study_back(desk, client):
    study = desk.study(1)
    claim_study(study_id=study.pk, reader=desk.one)
    client.force_login(desk.one)

    client.post(address(study, "answer"), {"answer-covid": "absent"})

    assert not Claim.objects.exists()


def test_a_page_left_open_after_the_answer_keeps_nobody_out(desk, client):
    study = desk.study(1)
    client.force_login(desk.one)
    client.post(address(study, "answer"), {"answer-covid": "absent"})

    late = client.post(address(study, "claim"), {"token": uuid4()})

    assert late.status_code == 204
    assert not Claim.objects.exists()
    client.post(address(study, "undo"))
    assert client.post(address(study, "claim")).status_code == 200
    assert Claim.objects.get().reader == desk.one


def test_the_list_says_who_reads_what_and_where_one_stopped_on_any_computer(desk, client):
    mine, theirs = desk.study(3), desk.study(2)
    claim_study(study_id=theirs.pk, reader=desk.two)
    claim_study(study_id=mine.pk, reader=desk.one)
    client.force_login(desk.one)

    page = client.get(reverse("review:to_read"))

    assert [row.held_by for row in page.context["rows"]] == ["", desk.two.username]
    assert f'href="{address(mine)}?tray=to_read">Go on where you stopped' in page.text


@pytest.mark.parametrize("name", ["claim", "release", "undo", "unusable"])
def test_somebody_who_only_looks_claims_answers_and_takes_back_nothing(desk, client, name):
    study = desk.study(1)
    client.force_login(UserFactory(role_at=(desk.site, Role.STAFF)))

    assert client.post(address(study, name), {"token": uuid4()}).status_code == 404
    assert not Claim.objects.exists()
    assert not Review.objects.exists()


def test_news_count_what_came_since_and_only_that(desk, client):
    desk.study(1)
    client.force_login(desk.one)

    def told(**more):
        return client.get(reverse("review:news"), {"since": ago(0.5).isoformat(), **more}).text

    assert "came to this list" not in told(tray="to_read")
    desk.study(0.2), desk.study(0.1), desk.study(0.1, flagged=False)
    assert "3 studies came" in told(tray="to_read")
    assert "2 studies came" in told(tray="flagged")
    assert "1 study came" in told(tray="not_flagged")
    assert "came to this list" not in told(tray="flagged", since="yesterday")


def test_a_tray_says_who_reads_what_and_its_key_opens_the_first_that_nobody_does(desk, client):
    taken, free = desk.study(2), desk.study(1)
    claim_study(study_id=taken.pk, reader=desk.two)
    client.force_login(desk.one)

    page = client.get(reverse("review:worklist"))

    assert [(row.study, row.held_by) for row in page.context["rows"]] == [(taken, desk.two.username), (free, "")]
    assert f"{desk.two.username} is reading it" in page.text
    assert page.context["free_row"] == free.pk
    assert page.text.count("data-key-n") == 1


def test_the_next_of_a_tray_is_one_that_nobody_else_reads(desk, client):
    here, taken, free = desk.study(3), desk.study(2), desk.study(1)
    claim_study(study_id=taken.pk, reader=desk.two)
    client.force_login(desk.one)

    def following(study):
        return client.get(address(study), {"tray": "flagged"}).context["next_url"]

    assert following(here).startswith(address(free))
    assert following(free).startswith(address(here))  # behind the last the tray begins again
    claim_study(study_id=free.pk, reader=desk.two)
    assert following(here) == ""
