"""When a request is tried again, and after how long."""

import random
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from time import time

from chest_client.errors import Busy, ClientError, Unreachable


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a failing service is borne with. The pauses double, with a quarter of chance to either side."""

    tries: int = 6
    first: float = 0.5  # seconds before the second try
    longest: float = 30.0  # seconds between two tries
    longest_asked: float = 120.0  # the most that is waited because Retry-After says so

    def pause(self, failure: ClientError, tried: int) -> float | None:
        """Seconds until the next try; none if there is to be no other."""
        if tried >= self.tries or not isinstance(failure, Busy | Unreachable):
            return None
        if isinstance(failure, Busy) and failure.retry_after is not None:
            return failure.retry_after if failure.retry_after <= self.longest_asked else None
        return min(self.longest, self.first * 2.0 ** (tried - 1)) * random.uniform(0.75, 1.25)  # noqa: S311 - spreads clients, guards nothing


def seconds_of(header: str | None) -> float | None:
    """Read Retry-After: seconds, or a date (RFC 9110, 10.2.3)."""
    if not header:
        return None
    if header.strip().isdecimal():
        return float(header)
    try:
        return max(0.0, parsedate_to_datetime(header).timestamp() - time())
    except ValueError:
        return None
