"""How the OpenAPI file tells of refusals and examples, once for all views."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from drf_spectacular.utils import OpenApiExample, OpenApiResponse, PolymorphicProxySerializer, extend_schema

from screening.api.errors import body
from screening.api.shapes.base import Refusal, Shape
from screening.errors import ScreeningError


@dataclass(frozen=True, slots=True)
class Reason:
    """What a status means here, and the codes that it always may have, each with what happened and what to do."""

    description: str
    codes: Mapping[str, tuple[str, str]]


REASONS: Final[Mapping[int, Reason]] = {
    400: Reason(
        "The request is not well formed.",
        {
            "invalid": (
                "files.0.sha256: Enter a valid value.",
                "Correct the fields that are named and send the request again.",
            ),
            "unreadable_body": (
                "JSON parse error",
                "Send a well-formed body of the type that the schema names.",
            ),
        },
    ),
    401: Reason(
        "No token, or one that is unknown or has expired.",
        {
            "not_signed_in": (
                "Authentication credentials were not provided.",
                "Send `Authorization: Token ...`, or sign in.",
            )
        },
    ),
    403: Reason(
        "The role or the scopes of the token do not permit it, or the disclaimer is not accepted as it is now.",
        {
            "not_allowed": ("Only reviewers answer.", "Ask for a role or a token scope that permits it."),
            "disclaimer_changed": (
                "The disclaimer has changed since this token was made.",
                "Sign in, accept the disclaimer as it is now, and make a new token.",
            ),
        },
    ),
    404: Reason(
        "There is no such thing, or the caller may not see it.",
        {"not_found": ("Not found.", "Check the identifier; what you may not see is not found either.")},
    ),
    409: Reason("It does not fit what is there already.", {}),
    410: Reason("It was there, and somebody removed it meanwhile.", {}),
    413: Reason(
        "More than a limit allows.",
        {
            "limit_exceeded": (
                "A request takes at most 50 files.",
                "Split it, or ask the operator to raise the limit.",
            )
        },
    ),
    415: Reason(
        "The body is of a type that this address does not take.",
        {
            "unsupported_media_type": (
                'Unsupported media type "text/plain" in request.',
                "Send the content type that the schema names.",
            )
        },
    ),
    429: Reason(
        "More requests in this minute than the token may make. `Retry-After` says when to come back.",
        {
            "too_many_requests": (
                "Request was throttled. Expected available in 12 seconds.",
                "Wait for as long as the header Retry-After says.",
            )
        },
    ),
    503: Reason(
        "Not now. `Retry-After` says when to come back.",
        {"busy": ("The database did not answer in time.", "Try again in 5 seconds.")},
    ),
    507: Reason(
        "No room for these bytes; nothing of them was kept.",
        {"storage_full": ("There is no room left for this file.", "Try again later; tell the operator.")},
    ),
}

EITHER: Final = "WholeOrPart"  # ends the name of a shape of which an answer may hold only a part
View = TypeVar("View", bound=Callable[..., Any])


def described(**words: Any) -> Callable[[View], View]:
    """Describe a method of a view in the OpenAPI file, as `extend_schema` does, and keep its type."""
    decorate: Callable[[View], View] = extend_schema(**words)
    return decorate


def either(name: str, whole: type[Shape], part: type[Shape]) -> PolymorphicProxySerializer:
    """Describe an answer that is whole, or only the fields that were asked for."""
    return PolymorphicProxySerializer(
        component_name=f"{name}{EITHER}", serializers=[whole, part], resource_type_field_name=None
    )


def answers(good: Mapping[Any, Any], *refusals: int | type[ScreeningError]) -> dict[Any, Any]:
    """Give the answers of a view: the good ones, and for each status its refusals, an example for each code.

    A refusal is a status, with the codes that it always may have, or an error of ours. 401 belongs to every view.
    """
    codes: dict[int, dict[str, tuple[str, str]]] = {}
    for one in (401, *refusals):
        if isinstance(one, int):
            codes.setdefault(one, {}).update(REASONS[one].codes)
        else:
            words = (one.__doc__ or "").splitlines()[0], str(one.what_to_do)
            codes.setdefault(one.http_status, {})[one.code] = words
    return {**good, **{status: _refusal(status, codes[status]) for status in sorted(codes)}}


def _refusal(status: int, codes: Mapping[str, tuple[str, str]]) -> OpenApiResponse:
    examples = [
        OpenApiExample(code, value=example_body(code, *words), response_only=True, status_codes=[str(status)])
        for code, words in codes.items()
    ]
    return OpenApiResponse(Refusal, description=REASONS[status].description, examples=examples)


def example_body(code: str, message: str, what_to_do: str) -> dict[str, str]:
    """Give a refusal as it is sent."""
    return body(code, message, what_to_do)
