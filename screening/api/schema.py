"""How the OpenAPI file tells of refusals and examples, once for all views."""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema

from screening.api.errors import body
from screening.api.shapes.base import Refusal

REASONS: Final[Mapping[int, tuple[str, str, str, str]]] = {
    400: (
        "The request is not well formed.",
        "invalid",
        "files.0.sha256: Enter a valid value.",
        "Correct the fields that are named and send the request again.",
    ),
    401: (
        "No token, or one that is unknown or has expired.",
        "not_signed_in",
        "Authentication credentials were not provided.",
        "Send `Authorization: Token ...`, or sign in.",
    ),
    403: (
        "The role or the scopes of the token do not permit it.",
        "not_allowed",
        "Only reviewers answer.",
        "Ask an administrator of the site for the role that is needed.",
    ),
    404: (
        "There is no such thing, or the caller may not see it.",
        "not_found",
        "Not found.",
        "Check the identifier; what you may not see is not found either.",
    ),
    409: (
        "It does not fit what is there already.",
        "upload_closed",
        "This upload is sealed.",
        "Open a new upload for further files.",
    ),
    413: (
        "More than a limit allows.",
        "limit_exceeded",
        "A request takes at most 50 files.",
        "Split it, or ask the operator to raise the limit.",
    ),
    507: (
        "No room for these bytes; nothing of them was kept.",
        "storage_full",
        "There is no room left for this file.",
        "Try again later; tell the operator.",
    ),
}


View = TypeVar("View", bound=Callable[..., Any])


def described(**words: Any) -> Callable[[View], View]:
    """Describe a method of a view in the OpenAPI file, as `extend_schema` does, and keep its type."""
    decorate: Callable[[View], View] = extend_schema(**words)
    return decorate


def answers(good: Mapping[Any, Any], *refusals: int) -> dict[Any, Any]:
    """Give the answers of a view: the good ones, and a refusal with an example for each status.

    401 belongs to every view.
    """
    return {**good, **{status: _refusal(status) for status in sorted({401, *refusals})}}


def _refusal(status: int) -> OpenApiResponse:
    description, code, message, what_to_do = REASONS[status]
    example = OpenApiExample(
        code, value=body(code, message, what_to_do), response_only=True, status_codes=[str(status)]
    )
    return OpenApiResponse(Refusal, description=description, examples=[example])
