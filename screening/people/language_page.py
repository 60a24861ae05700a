"""Choosing the language of the pages."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from screening.people.language import is_known
from screening.users.models import User


@require_POST
def language(request: HttpRequest) -> HttpResponse:
    """Keep the language that a person chose: with the person, and in a cookie for pages before the sign-in.

    A language that there is not changes nothing.
    """
    response = HttpResponseRedirect(_back(request))
    chosen = request.POST.get("language", "")
    if not is_known(chosen):
        return response
    if isinstance(request.user, User):
        User.objects.filter(pk=request.user.pk).update(language=chosen)
    response.set_cookie(
        settings.LANGUAGE_COOKIE_NAME,
        chosen,
        max_age=settings.LANGUAGE_COOKIE_AGE,
        secure=settings.LANGUAGE_COOKIE_SECURE,
        httponly=settings.LANGUAGE_COOKIE_HTTPONLY,
        samesite="Lax",
    )
    return response


def _back(request: HttpRequest) -> str:
    """The page that stood there: an answer to a form cannot be asked for again, and its address may know no GET."""
    wanted = request.POST.get("next", "")
    own = url_has_allowed_host_and_scheme(wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure())
    return wanted if own else reverse("home")
