"""One shape for every refusal of the API: `{code, message, what_to_do}` and the disclaimer."""

from typing import Any, Final

import structlog
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazily
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import exception_handler, set_rollback

from ml.vocabulary import DISCLAIMER
from screening.errors import ScreeningError
from screening.retrying import database_is_full

log = structlog.get_logger(__name__)
BUSY_SECONDS: Final = 5
FULL_SECONDS: Final = 30  # somebody has to make room
WITHOUT_ROOM: Final = 507

# What DRF raises itself, by its class: code and advice. The first that fits is taken.
WORDS: Final[tuple[tuple[type[Exception], str, str | Promise], ...]] = (
    (exceptions.ValidationError, "invalid", lazily("Correct the fields that are named and send the request again.")),
    (exceptions.ParseError, "unreadable_body", lazily("Send a well-formed body of the type that the schema names.")),
    (
        exceptions.UnsupportedMediaType,
        "unsupported_media_type",
        lazily("Send the content type that the schema names."),
    ),
    (exceptions.NotAcceptable, "not_acceptable", lazily("Accept application/json.")),
    (exceptions.MethodNotAllowed, "method_not_allowed", lazily("See /api/v1/schema/ for what this address takes.")),
    (exceptions.NotAuthenticated, "not_signed_in", lazily("Send `Authorization: Token ...`, or sign in.")),
    (exceptions.AuthenticationFailed, "not_signed_in", lazily("Make a new token on the page `API tokens`.")),
    (exceptions.Throttled, "too_many_requests", lazily("Wait for as long as the header Retry-After says.")),
    (exceptions.PermissionDenied, "not_allowed", lazily("Ask for a role or a token scope that permits it.")),
    (PermissionDenied, "not_allowed", lazily("Ask for a role or a token scope that permits it.")),
    (exceptions.NotFound, "not_found", lazily("Check the identifier; what you may not see is not found either.")),
    (Http404, "not_found", lazily("Check the identifier; what you may not see is not found either.")),
)


def handle(exc: Exception, context: dict[str, Any]) -> Response | None:
    """Answer an expected failure in our words. Anything else is a bug and surfaces as one."""
    if isinstance(exc, ScreeningError):
        set_rollback()
        seconds = {503: BUSY_SECONDS, WITHOUT_ROOM: FULL_SECONDS}.get(exc.http_status)
        later = {"Retry-After": str(seconds)} if seconds else None
        return Response(body(exc.code, exc.what_happened, exc.what_to_do), status=exc.http_status, headers=later)
    if isinstance(exc, SuspiciousOperation):  # too many fields or files, as Django counts them
        message = _("The request holds more fields or files than are accepted.")
        return Response(body("limit_exceeded", message, _("Send fewer at a time.")), status=413)
    if isinstance(exc, OperationalError | InterfaceError):
        return _full(exc) if database_is_full(exc) else _busy(exc)
    response = exception_handler(exc, context)
    if response is not None:
        response.data = _in_our_words(exc, response)
    return response


def body(code: str, message: str, what_to_do: str | Promise) -> dict[str, str]:
    """The one shape of a refusal."""
    return {"code": code, "message": message, "what_to_do": str(what_to_do), "disclaimer": DISCLAIMER}


def _full(exc: Exception) -> Response:
    log.error("database_full", exc_info=exc)
    message = _("The disk of the database has no room left. Nothing was changed.")
    answer = body("database_full", message, _("Tell the operator, and try again once there is room."))
    return Response(answer, status=503, headers={"Retry-After": str(FULL_SECONDS)})


def _busy(exc: Exception) -> Response:
    log.error("database_did_not_answer", exc_info=exc)
    message = _("The database did not answer in time.")
    answer = body("busy", message, _("Try again in %(n)s seconds.") % {"n": BUSY_SECONDS})
    return Response(answer, status=503, headers={"Retry-After": str(BUSY_SECONDS)})


def _in_our_words(exc: Exception, response: Response) -> dict[str, str]:
    for kind, code, what_to_do in WORDS:
        if isinstance(exc, kind):
            return body(code, _message(response.data), what_to_do)
    return body("error", _message(response.data), _("Check the request and try again."))


def _message(data: Any) -> str:
    """Flatten DRF's nested details to one line that names each field."""
    return "; ".join(_lines("", data)) or _("The request was refused.")


def _lines(place: str, data: Any) -> list[str]:
    if isinstance(data, dict):
        return [line for key, value in data.items() for line in _lines(_join(place, str(key)), value)]
    if isinstance(data, list):
        nested = any(isinstance(value, dict) for value in data)
        return [
            line
            for index, value in enumerate(data)
            for line in _lines(_join(place, str(index)) if nested else place, value)
        ]
    return [f"{place}: {data}" if place else str(data)]


def _join(place: str, key: str) -> str:
    if key in {"detail", "non_field_errors"}:
        return place
    return f"{place}.{key}" if place else key
