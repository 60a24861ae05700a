"""The pages of model versions: parse, ask one question or call one service, answer."""

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from screening.errors import ScreeningError
from screening.housekeeping.model_acts import activate_version, retire_version
from screening.housekeeping.model_uses import listed, retiring, uses_of
from screening.numbers.access import person
from screening.results.models import ModelVersion
from screening.results.versions import bundle_is_there
from screening.users.models import Site, User
from screening.users.roles import ADMINISTRATORS, runs_installation, sites_where


@never_cache
@login_required
@require_safe
def versions(request: HttpRequest) -> HttpResponse:
    """Every registered version: whether it may be chosen, and where it is used."""
    user = _administrator(request)
    sites = list(_sites_of(user).order_by("name"))
    found = listed()
    uses = uses_of(found, sites)
    context = {
        "rows": [(version, uses[version.pk]) for version in found],
        "sites": sites,
        "runs": runs_installation(user),
    }
    return render(request, "housekeeping/versions.html", context)


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def version(request: HttpRequest, model_id: UUID) -> HttpResponse:
    """Say what retiring or activating a version means, and do it."""
    user = _administrator(request)
    found = get_object_or_404(ModelVersion, pk=model_id)
    if not runs_installation(user):
        raise PermissionDenied
    act = request.POST.get("act")  # named by the form: sent twice it is done once, and not undone
    if act not in {"retire", "activate"}:
        return _ask(request, found)
    try:
        if act == "retire":
            retire_version(version_id=found.pk, user=user, all_the_same="all_the_same" in request.POST)
            said = _("%(name)s is retired. What waits for it is finished; its results stay.")
        else:
            activate_version(version_id=found.pk, user=user)
            said = _("%(name)s may be chosen again.")
    except ScreeningError as refusal:
        return _ask(request, found, refusal)
    messages.success(request, said % {"name": found.name})
    return redirect("housekeeping:versions")


def _ask(request: HttpRequest, found: ModelVersion, refusal: ScreeningError | None = None) -> HttpResponse:
    context = {
        "version": found,
        "told": retiring(found),
        "there": bundle_is_there(found),
        "refusal": refusal,
    }
    return render(request, "housekeeping/version.html", context, status=refusal.http_status if refusal else 200)


def _administrator(request: HttpRequest) -> User:
    """The visitor, who administers a site or runs the installation.

    Raises:
        Http404: somebody else.
    """
    user = person(request)
    if not runs_installation(user) and not sites_where(user, ADMINISTRATORS).exists():
        raise Http404
    return user


def _sites_of(user: User) -> QuerySet[Site]:
    return Site.objects.all() if runs_installation(user) else sites_where(user, ADMINISTRATORS)
