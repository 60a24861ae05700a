"""What stands in the headers of every answer: a name for the request, and how many more there may be."""

from collections.abc import Callable
from typing import Final
from uuid import UUID, uuid4

from django.http import HttpRequest, HttpResponse

HEADER: Final = "X-Request-ID"
IN_META: Final = "HTTP_X_REQUEST_ID"


class RequestIdMiddleware:
    """Name every request, in its answer and in every log line about it.

    A caller may bring a name, but only a UUID: anything else could be somebody's identifier, and names are logged.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        name = request.META[IN_META] = _named(request.META.get(IN_META, ""))
        response = self.get_response(request)
        response[HEADER] = name
        rate = getattr(request, "rate", None)
        if rate is not None:
            for header, value in rate.headers().items():
                response[header] = value
        return response


def _named(brought: str) -> str:
    try:
        return str(UUID(brought)) if brought else str(uuid4())
    except ValueError:
        return str(uuid4())
