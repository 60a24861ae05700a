"""Pages of a site's administrators: endpoints, their secrets, and what was given up."""

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from screening.audit.actor import Actor
from screening.hooks.endpoints import (
    BOTH_HOURS,
    NewSecret,
    add_endpoint,
    remove_endpoint,
    replay,
    resume_endpoint,
    rotate_secret,
)
from screening.hooks.forms import EndpointForm
from screening.hooks.selectors import administered_sites, dead_letters, endpoints_of, last_sent, next_to_send
from screening.outbox.models import Endpoint
from screening.outbox.outcomes import DEAD_DAYS, PATIENCE, SENT_DAYS
from screening.users.models import Site, User


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def endpoints(request: HttpRequest, site_id: UUID) -> HttpResponse:
    """List the endpoints of a site and add one. The answer to adding is the only page that ever shows its secret."""
    site = _site(request, site_id)
    form = EndpointForm(request.POST or None)
    made: NewSecret | None = None
    if request.method == "POST" and form.is_valid():
        chosen = form.cleaned_data
        made = add_endpoint(site=site, url=chosen["url"], kinds=chosen["kinds"], actor=_actor(request))
        form = EndpointForm()
    context = {"site": site, "form": form, "made": made, "endpoints": endpoints_of(site)}
    return render(request, "hooks/endpoints.html", context)


@never_cache
@login_required
@require_safe
def endpoint(request: HttpRequest, site_id: UUID, endpoint_id: UUID) -> HttpResponse:
    """One endpoint: what it took, what waits, and what was given up."""
    return _page(request, _endpoint(request, site_id, endpoint_id))


@never_cache
@login_required
@require_POST
def rotate(request: HttpRequest, site_id: UUID, endpoint_id: UUID) -> HttpResponse:
    """Make the next secret. The answer is the only page that ever shows it."""
    found = _endpoint(request, site_id, endpoint_id)
    made = rotate_secret(endpoint_id=found.pk, actor=_actor(request))
    return _page(request, made.endpoint, made=made)


@login_required
@require_POST
def resume(request: HttpRequest, site_id: UUID, endpoint_id: UUID) -> HttpResponse:
    """Switch an endpoint on again."""
    resume_endpoint(endpoint_id=_endpoint(request, site_id, endpoint_id).pk, actor=_actor(request))
    messages.success(request, _("Events are sent to this address again."))
    return redirect("hooks:endpoint", site_id, endpoint_id)


@login_required
@require_POST
def send_again(request: HttpRequest, site_id: UUID, endpoint_id: UUID) -> HttpResponse:
    """Try again what was given up: those that were ticked, or all."""
    found = _endpoint(request, site_id, endpoint_id)
    keys = None if "all" in request.POST else _keys(request)
    number = replay(endpoint_id=found.pk, delivery_ids=keys, actor=_actor(request))
    messages.info(request, _("%d are sent again, with the identifiers they had.") % number)
    return redirect("hooks:endpoint", site_id, endpoint_id)


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def remove(request: HttpRequest, site_id: UUID, endpoint_id: UUID) -> HttpResponse:
    """Ask, then send nothing to an endpoint any more."""
    found = _endpoint(request, site_id, endpoint_id)
    if request.method != "POST":
        return render(request, "hooks/remove.html", {"site": found.site, "endpoint": found})
    remove_endpoint(endpoint_id=found.pk, actor=_actor(request))
    messages.success(request, _("Nothing is sent to this address any more."))
    return redirect("hooks:endpoints", site_id)


def _page(request: HttpRequest, found: Endpoint, *, made: NewSecret | None = None) -> HttpResponse:
    context = {
        "site": found.site,
        "endpoint": found,
        "made": made,
        "dead": dead_letters(found.pk),
        "waiting": next_to_send(found.pk),
        "sent": last_sent(found.pk),
        "both_hours": BOTH_HOURS,
        "sent_days": SENT_DAYS,
        "dead_days": DEAD_DAYS,
        "patience_days": PATIENCE.days,
    }
    return render(request, "hooks/endpoint.html", context)


def _keys(request: HttpRequest) -> list[UUID]:
    keys = []
    for value in request.POST.getlist("delivery"):
        try:
            keys.append(UUID(value))
        except ValueError:
            continue
    return keys


def _user(request: HttpRequest) -> User:
    assert isinstance(request.user, User)  # behind login_required
    return request.user


def _actor(request: HttpRequest) -> Actor:
    return Actor.user(_user(request))


def _site(request: HttpRequest, site_id: UUID) -> Site:
    return get_object_or_404(administered_sites(_user(request)), pk=site_id)


def _endpoint(request: HttpRequest, site_id: UUID, endpoint_id: UUID) -> Endpoint:
    site = _site(request, site_id)
    return get_object_or_404(Endpoint.objects.kept().select_related("site"), pk=endpoint_id, site=site)
