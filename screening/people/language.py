"""In which language a page is answered: what the person chose, else what their browser asks for.

Programs are answered in English, always: they match on codes, and their texts must not change with a browser. Only
the service's own pages, which show what the API answers to a person, name their language in a header of their own.
"""

from collections.abc import Callable
from typing import Final

from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.utils import translation
from django.utils.cache import patch_vary_headers

from screening.users.models import User

MACHINES: Final = ("/api/", "/dicomweb/", "/metrics", "/healthz", "/readyz")
FREE: Final = "/static/"
WORDS: Final = ("text/html", "application/json")  # kinds of answers that a cache must keep for each language
PAGE_HEADER: Final = "X-Page-Language"  # named by static/js/upload/api.js, in calls of a page to the API


class LanguageMiddleware:
    """Answer each request in its language, and leave the thread in English for whatever it does next."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path.startswith(FREE):
            return self.get_response(request)
        of_machine = request.path.startswith(MACHINES)
        language = _of_machine(request) if of_machine else _of_page(request)
        with translation.override(language):
            response = self.get_response(request)
        if response.get("Content-Type", "").startswith(WORDS):
            patch_vary_headers(response, [PAGE_HEADER] if of_machine else ["Accept-Language", "Cookie"])
            response.headers.setdefault("Content-Language", language)
        return response


def _of_machine(request: HttpRequest) -> str:
    named = request.headers.get(PAGE_HEADER, "")
    return named if is_known(named) else settings.LANGUAGE_CODE


def _of_page(request: HttpRequest) -> str:
    chosen = chosen_by(request)
    return chosen if is_known(chosen) else translation.get_language_from_request(request)


def chosen_by(request: HttpRequest) -> str:
    """What the person behind a request chose and keeps; empty for a stranger, and for whoever chose nothing."""
    try:
        return request.user.language if isinstance(request.user, User) else ""
    except DatabaseError:
        return ""  # the page that says so is still to be in some language


def is_known(language: str) -> bool:
    """Whether pages can be had in it."""
    return language in dict(settings.LANGUAGES)
