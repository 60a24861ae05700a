"""What a reader did today."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.utils import timezone

from screening.review.models import Answer, Review
from screening.users.models import User

SHOWN: Final = 500  # rows, of which each is one finding


@dataclass(frozen=True, slots=True)
class Summary:
    """The answers of one day, the latest first. What was withdrawn or replaced is shown and not counted."""

    reviews: tuple[Review, ...]
    studies: int
    counts: tuple[tuple[str, int], ...]
    in_session: int  # studies since the last sign-in
    since: datetime | None
    is_cut: bool


def summary_of(reader: User) -> Summary:
    """Today's answers, by the clock of the service (UTC)."""
    midnight = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
    given = Review.objects.filter(reader=reader, created_at__gte=midnight).order_by("-created_at")
    reviews = list(given.select_related("study")[: SHOWN + 1])
    standing = [review for review in reviews[:SHOWN] if review.superseded_by_id is None]
    counts = Counter(str(Answer(review.answer).label) for review in standing)
    session: set[UUID] = {
        review.study_id for review in standing if reader.last_login and review.created_at >= reader.last_login
    }
    return Summary(
        reviews=tuple(reviews[:SHOWN]),
        studies=len({review.study_id for review in standing}),
        counts=tuple(counts.most_common()),
        in_session=len(session),
        since=reader.last_login,
        is_cut=len(reviews) > SHOWN,
    )
