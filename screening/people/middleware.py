"""What stands between a visitor and every page."""

from collections.abc import Callable
from typing import Final
from urllib.parse import urlencode, urlsplit

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _

from ml.vocabulary import DISCLAIMER, DISCLAIMER_VERSION
from screening.errors import ScreeningError
from screening.people.error_pages import refused
from screening.users.models import DisclaimerAcceptance, User

GetResponse = Callable[[HttpRequest], HttpResponse]
SESSION_KEY: Final = "disclaimer"
MACHINES: Final = ("/api/", "/dicomweb/")  # what programs ask: answered in JSON, never with a page
FREE: Final = ("/static/", "/healthz", "/readyz", "/favicon.ico")


class DisclaimerMiddleware:
    """Let nobody past the disclaimer who has not accepted its current version.

    Tokens carry the version that was accepted when they were made, and are judged with them.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        user = request.user
        if request.path.startswith(FREE) or not isinstance(user, User) or _is_open(request) or _accepted(request, user):
            return self.get_response(request)
        return _ask(request)


def _is_open(request: HttpRequest) -> bool:
    return request.path in {reverse("disclaimer"), reverse("sign_out"), reverse("language")}


def _accepted(request: HttpRequest, user: User) -> bool:
    # The session remembers; the row is asked only by sessions that are older than the acceptance.
    if request.session.get(SESSION_KEY) == DISCLAIMER_VERSION:
        return True
    return DisclaimerAcceptance.objects.filter(user=user, version=DISCLAIMER_VERSION).exists()


def _ask(request: HttpRequest) -> HttpResponse:
    if request.path.startswith(MACHINES):
        body = {
            "code": "disclaimer_not_accepted",
            "message": _("The disclaimer has not been accepted in its current version."),
            "what_to_do": _("Sign in on the pages and accept it."),
            "disclaimer": DISCLAIMER,
        }
        return JsonResponse(body, status=403)
    target = f"{reverse('disclaimer')}?{urlencode({'next': _came_from(request)})}"
    return _whole_page(target) if _is_part(request) else HttpResponseRedirect(target)


def _is_part(request: HttpRequest) -> bool:
    return request.headers.get("HX-Request") == "true"


def _whole_page(target: str) -> HttpResponse:
    """Let the browser go to another page as a whole: a redirect would be followed into a part of this one."""
    return HttpResponse(status=204, headers={"HX-Redirect": target})


def _came_from(request: HttpRequest) -> str:
    """The page to come back to: for a part of a page the page that it stands on."""
    page = request.headers.get("HX-Current-URL", "") if _is_part(request) else ""
    if page and url_has_allowed_host_and_scheme(page, {request.get_host()}):
        address = urlsplit(page)
        return f"{address.path}?{address.query}" if address.query else address.path
    return request.get_full_path() if request.method == "GET" else reverse("home")


class SignedOutMiddleware:
    """Send whoever is signed out to the sign-in as a whole page, also where a part of a page was asked for."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        sign_in = reverse("sign_in")
        if not _is_part(request) or urlsplit(response.get("Location", "")).path != sign_in:
            return response
        return _whole_page(f"{sign_in}?{urlencode({'next': _came_from(request)})}")


class RefusalMiddleware:
    """Turn an expected failure that a page did not handle itself into a page that says what to do."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        return refused(request, exception) if isinstance(exception, ScreeningError) else None
