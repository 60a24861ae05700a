"""What a reader's answer makes of a flag: confirmed, dismissed, missed, agreed not flagged."""

from collections.abc import Iterable
from typing import Final

from screening.review.findings import UNSPECIFIED
from screening.review.models import Answer, Review

BY_FLAG_AND_ANSWER: Final = {
    (True, Answer.PRESENT): "confirmed",
    (True, Answer.ABSENT): "dismissed",
    (False, Answer.PRESENT): "missed",
    (False, Answer.ABSENT): "agreed not flagged",
}


def derived(reviews: Iterable[Review]) -> dict[str, str]:
    """Give, by finding, what standing answers say beside the flag that stood when each was given.

    `unsure` and `not assessable` stay what they are, and so does every answer where no model asked: there was no flag
    to be right or wrong. Readers who differ are all told, in the order of their answers.
    """
    found: dict[str, dict[str, None]] = {}
    for review in reviews:
        answer = Answer(review.answer)
        plain = answer.replace("_", " ")
        judged = BY_FLAG_AND_ANSWER.get((review.flagged, answer), plain)
        word = plain if review.finding == UNSPECIFIED else judged
        found.setdefault(review.finding, {})[word] = None
    return {finding: " / ".join(words) for finding, words in found.items()}
