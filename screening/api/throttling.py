"""How often one token may ask: so many requests in each minute of the clock, and headers that say what is left."""

import time
from dataclasses import dataclass
from typing import Final

from django.conf import settings
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from screening.api.rates import Rates
from screening.users.models import ApiToken, User

MINUTE: Final = 60
RATES: Final = Rates(settings.CONFIG.state_dir / "rates")


@dataclass(frozen=True, slots=True)
class Rate:
    """Where a caller stands."""

    limit: int
    used: int
    reset: int  # seconds until the next minute begins

    def headers(self) -> dict[str, str]:
        return {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(max(0, self.limit - self.used)),
            "RateLimit-Reset": str(self.reset),
        }


class RateThrottle(BaseThrottle):
    """Every request counts, for its token; for its user where our own pages ask; for its address where nobody did."""

    scope = "user"

    def __init__(self) -> None:
        self._rate: Rate | None = None

    def allow_request(self, request: Request, view: object) -> bool:  # noqa: ARG002 - the signature is DRF's
        now = time.time()
        used = RATES.count(f"{self.scope} {self._who(request)}", int(now) // MINUTE)
        self._rate = Rate(limit_of(self.scope), used, MINUTE - int(now) % MINUTE)
        request._request.rate = self._rate  # type: ignore[attr-defined] # noqa: SLF001 - the middleware writes the headers
        return used <= self._rate.limit

    def wait(self) -> float | None:
        return self._rate.reset if self._rate else None

    def _who(self, request: Request) -> str:
        if isinstance(request.auth, ApiToken):
            return f"token {request.auth.pk}"
        if isinstance(request.user, User):
            return f"user {request.user.pk}"
        return f"address {self.get_ident(request)}"


class LookupThrottle(RateThrottle):
    """Fewer look-ups than reads: nobody should try out identifiers."""

    scope = "lookup"


class TestThrottle(RateThrottle):
    """Few tests of webhooks: each is a call to somebody else's server."""

    scope = "webhook_test"


def limit_of(scope: str) -> int:
    """How many requests a minute the settings allow: `3000/min`."""
    rates: dict[str, str] = settings.REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"]  # type: ignore[assignment] # as it is there
    return int(rates[scope].partition("/")[0])
