"""The figures, for whoever holds the token of the metrics and nobody else."""

from typing import Final

import structlog
from django.conf import settings
from django.db import Error
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from screening.metrics.exposition import CONTENT_TYPE, exposed
from screening.metrics.measuring import Kept, TooSlow, measure
from screening.people.error_pages import BUSY, RETRY_SECONDS, Explanation, in_json

log = structlog.get_logger(__name__)

KEPT: Final = Kept()
NO_TOKEN: Final = Explanation(
    401,
    "not_signed_in",
    _("The token of the metrics is missing or wrong."),
    _("Send `Authorization: Bearer ` with the value of METRICS_TOKEN."),
)


@require_safe
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """Figures about queues, workers and results. Not there unless METRICS_TOKEN is set; sessions open nothing here."""
    if not settings.CONFIG.metrics_token:
        raise Http404
    if not _carries(request, settings.CONFIG.metrics_token):
        refusal = in_json(NO_TOKEN)
        refusal["WWW-Authenticate"] = "Bearer"
        return refusal
    try:
        return HttpResponse(KEPT.get(lambda: exposed(measure())), content_type=CONTENT_TYPE)
    except (Error, OSError, TooSlow) as problem:
        # Without what it says: that may quote an address or a row.
        log.warning("not_measured", reason=type(problem).__name__)
        busy = in_json(BUSY)
        busy["Retry-After"] = RETRY_SECONDS
        return busy


def _carries(request: HttpRequest, token: str) -> bool:
    scheme, _space, given = request.headers.get("Authorization", "").partition(" ")
    return scheme.lower() == "bearer" and constant_time_compare(given.strip(), token)
