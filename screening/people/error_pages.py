"""What a visitor sees when something is refused or broken: what to do, and never a traceback or a path."""

import sys
from dataclasses import dataclass
from typing import Final

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from ml.vocabulary import DISCLAIMER
from screening.errors import ScreeningError
from screening.people.context import theme_of
from screening.retrying import database_is_full

RETRY_SECONDS: Final = "5"
RETRY_ONCE_THERE_IS_ROOM: Final = "30"
WITHOUT_ROOM: Final = 507


@dataclass(frozen=True, slots=True)
class Explanation:
    """An answer to a request that was not done."""

    status: int
    code: str
    message: str | Promise
    what_to_do: str | Promise


BAD_REQUEST: Final = Explanation(
    400, "bad_request", _("The request could not be understood."), _("Go back and try again.")
)
FORBIDDEN: Final = Explanation(
    403, "forbidden", _("This is not allowed."), _("Ask an administrator of the site for the role that is needed.")
)
CSRF: Final = Explanation(
    403,
    "csrf_failed",
    _("The form was open too long, or cookies are blocked."),
    _("Reload the page and send the form again."),
)
NOT_FOUND: Final = Explanation(
    404,
    "not_found",
    _("There is nothing here that you may see."),
    _("Check the address, or start from the first page."),
)
BROKEN: Final = Explanation(
    500,
    "server_error",
    _("Something went wrong on our side."),
    _("Try again. If it stays, tell the operator the time."),
)
BUSY: Final = Explanation(
    503,
    "busy",
    _("The service cannot reach its database at the moment."),
    _("Nothing was changed. Try again in a few seconds."),
)
FULL: Final = Explanation(
    503,
    "database_full",
    _("The disk of the database has no room left. Nothing was changed."),
    _("Tell the operator, and try again once there is room."),
)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001 - Django names the arguments
    return explain(request, BAD_REQUEST)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001 - Django names the arguments
    return explain(request, FORBIDDEN)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001 - Django names the arguments
    return explain(request, NOT_FOUND)


def csrf_failed(request: HttpRequest, reason: str = "") -> HttpResponse:  # noqa: ARG001 - Django names the arguments
    return explain(request, CSRF)


def broken(request: HttpRequest) -> HttpResponse:
    """Answer for an exception that nobody expected, or for a database that is away, locked too long or full."""
    error = sys.exc_info()[1]
    if isinstance(error, OperationalError | InterfaceError):
        full = database_is_full(error)
        response = explain(request, FULL if full else BUSY)
        response["Retry-After"] = RETRY_ONCE_THERE_IS_ROOM if full else RETRY_SECONDS
        return response
    return explain(request, BROKEN)


def refused(request: HttpRequest, error: ScreeningError) -> HttpResponse:
    """Answer for an expected failure that a page did not handle itself."""
    response = explain(request, Explanation(error.http_status, error.code, error.what_happened, error.what_to_do))
    later = {BUSY.status: RETRY_SECONDS, WITHOUT_ROOM: RETRY_ONCE_THERE_IS_ROOM}.get(error.http_status)
    if later:
        response["Retry-After"] = later
    return response


def explain(request: HttpRequest, why: Explanation) -> HttpResponse:
    """The explanation as JSON for programs, a notice for a part of a page, and a page for everybody else."""
    if request.path.startswith(("/api/", "/dicomweb/")):
        return in_json(why)
    if request.headers.get("HX-Request") == "true":
        context = {"kind": "error", "message": why.message, "what_to_do": why.what_to_do, "code": why.code}
        return HttpResponse(render_to_string("_alert.html", context), status=why.status)
    # Without the context of a request: the database may be what is broken.
    page = render_to_string(
        "people/error.html", {"why": why, "disclaimer": gettext(DISCLAIMER), "theme": theme_of(request)}
    )
    return HttpResponse(page, status=why.status)


def in_json(why: Explanation) -> HttpResponse:
    """The explanation in the one shape of a refusal."""
    body = {
        "code": why.code,
        "message": str(why.message),
        "what_to_do": str(why.what_to_do),
        "disclaimer": DISCLAIMER,
    }
    return JsonResponse(body, status=why.status)
