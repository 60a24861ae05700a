"""The pages of a site's pseudonym key, for its administrators alone, who give their password again."""

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from screening.audit.actor import Actor
from screening.errors import ScreeningError
from screening.people.keys import export_key, prove_yourself, rotate_key
from screening.people.selectors import administered
from screening.users.keys import fingerprint, site_key
from screening.users.models import Site, User


@never_cache
@login_required
@require_safe
def site_key_page(request: HttpRequest, site_id: UUID) -> HttpResponse:
    """What the key is, and what exporting and rotating it mean."""
    user, site = _asked(request, site_id)
    return _page(request, user, site)


@never_cache
@sensitive_post_parameters("password")
@login_required
@require_POST
def key_export(request: HttpRequest, site_id: UUID) -> HttpResponse:
    """Give the key as a file, once the password was given again."""
    user, site = _asked(request, site_id)
    try:
        prove_yourself(request, user, request.POST.get("password", ""))
    except ScreeningError as error:
        return _page(request, user, site, refused=error, act="export")
    text = export_key(site=site, actor=Actor.user(user))
    name = f"pseudonym-key-{site.pk}.txt"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "private, no-store"}
    return HttpResponse(f"{text}\n", content_type="text/plain; charset=utf-8", headers=headers)


@never_cache
@sensitive_post_parameters("password")
@login_required
@require_POST
def key_rotate(request: HttpRequest, site_id: UUID) -> HttpResponse:
    """Replace the key, once the password and the name of the site were given."""
    user, site = _asked(request, site_id)
    if request.POST.get("name", "").strip() != site.name:
        return _page(request, user, site, wrong_name=True, act="rotate")
    try:
        prove_yourself(request, user, request.POST.get("password", ""))
        rotate_key(site=site, actor=Actor.user(user))
    except ScreeningError as error:
        return _page(request, user, site, refused=error, act="rotate")
    messages.success(request, _("The key is replaced. Studies that arrive from now on match no earlier ones."))
    return redirect("site_key", site_id)


def _asked(request: HttpRequest, site_id: UUID) -> tuple[User, Site]:
    assert isinstance(request.user, User)  # behind login_required
    return request.user, get_object_or_404(administered(request.user), pk=site_id)


def _page(
    request: HttpRequest,
    user: User,
    site: Site,
    *,
    refused: ScreeningError | None = None,
    wrong_name: bool = False,
    act: str = "",
) -> HttpResponse:
    context = {
        "site": site,
        "mark": fingerprint(site_key(site.pk)),
        "refused": refused,
        "wrong_name": wrong_name,
        "act": act,
        "has_password": user.has_usable_password(),
    }
    status = refused.http_status if refused else 400 if wrong_name else 200
    return render(request, "people/key.html", context, status=status)
