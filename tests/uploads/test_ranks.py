from datetime import timedelta
from itertools import islice

import pytest
from django.utils import timezone

from screening.uploads.models import Priority
from screening.uploads.ranks import HEAD_START, STEP, URGENT_AN_HOUR, next_ranks, on_arrival
from tests.factories import ItemFactory, UploadFactory

pytestmark = pytest.mark.django_db


def ranks(upload, now, number):
    return list(islice(next_ranks(upload, now), number))


def test_a_small_upload_is_served_beside_ten_thousand_rows_that_came_first():
    now = timezone.now()
    large = ranks(UploadFactory(), now, 10_000)

    small = ranks(UploadFactory(), now + timedelta(seconds=10), 2)

    assert sum(rank < small[1] for rank in large) == pytest.approx(10 / STEP, abs=3)


def test_rows_of_a_second_check_follow_those_of_the_first():
    now = timezone.now()
    upload = UploadFactory()
    ItemFactory(upload=upload, rank=now.timestamp() + 100)

    first, second = ranks(upload, now, 2)

    assert first == pytest.approx(now.timestamp() + 100 + STEP)
    assert second == pytest.approx(first + STEP)


def test_an_urgent_row_comes_before_all_that_waited_less_than_an_hour():
    now = timezone.now()

    [urgent] = ranks(UploadFactory(priority=Priority.URGENT), now, 1)

    assert urgent == pytest.approx(now.timestamp() - HEAD_START)


def test_urgent_rows_beyond_the_quota_of_the_site_queue_like_others():
    now = timezone.now()
    upload = UploadFactory(priority=Priority.URGENT)

    given = ranks(upload, now, URGENT_AN_HOUR + 2)

    assert given[URGENT_AN_HOUR - 1] < now.timestamp() - HEAD_START / 2
    assert given[URGENT_AN_HOUR] == pytest.approx(now.timestamp())
    assert given[URGENT_AN_HOUR + 1] == pytest.approx(now.timestamp() + STEP)


def test_the_quota_counts_urgent_rows_of_the_last_hour_at_the_same_site_only():
    now = timezone.now()
    upload = UploadFactory(priority=Priority.URGENT)
    ItemFactory.create_batch(3, upload=upload, created_at=now, rank=0)
    ItemFactory(upload=upload, created_at=now - timedelta(hours=2), rank=0)
    ItemFactory(upload__priority=Priority.URGENT, created_at=now)

    given = ranks(UploadFactory(site=upload.site, priority=Priority.URGENT), now, URGENT_AN_HOUR)

    assert sum(rank < now.timestamp() - 1 for rank in given) == URGENT_AN_HOUR - 3


def test_a_file_that_was_offered_yesterday_does_not_overtake_those_that_wait_today():
    yesterday = timezone.now() - timedelta(days=1)
    item = ItemFactory(created_at=yesterday, rank=yesterday.timestamp())

    assert on_arrival(item) == pytest.approx(timezone.now().timestamp(), abs=5)


def test_a_file_keeps_its_place_behind_the_earlier_ones_of_its_upload():
    now = timezone.now()
    item = ItemFactory(created_at=now, rank=now.timestamp() + 500)

    assert on_arrival(item) == now.timestamp() + 500


def test_an_urgent_file_keeps_its_head_start_when_it_arrives():
    now = timezone.now()
    item = ItemFactory(created_at=now, rank=now.timestamp() - HEAD_START)

    assert on_arrival(item) == pytest.approx(now.timestamp() - HEAD_START, abs=5)
