"""Pages of upgrades: parse, ask one question or call one service, answer."""

from itertools import groupby
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from screening.numbers.access import person, site_for
from screening.numbers.comparing import compare
from screening.numbers.errors import NothingToReplay
from screening.numbers.forms import ReplayForm
from screening.numbers.models import Replay
from screening.numbers.points import colleagues_of
from screening.numbers.replays import close_replay, in_use, known_to, left_to_try, start_replay, switch
from screening.results.models import ModelVersion
from screening.users.models import Site

SHOWN = 20


@never_cache
@login_required
@require_safe
def upgrades(request: HttpRequest, site_id: UUID) -> HttpResponse:
    """What the site screens with, replays, and the form that begins one."""
    site = site_for(request, site_id)
    context = {
        "site": site,
        "models": _models(site),
        "sizes": [value for value, _label in ReplayForm.base_fields["studies"].choices],  # type: ignore[attr-defined]
        "replays": Replay.objects.filter(site=site).select_related("old", "new", "asked_by", "decided_by")[:SHOWN],
        "colleagues": colleagues_of(person(request), site),
    }
    return render(request, "numbers/upgrades.html", context)


def _models(site: Site) -> list[tuple[ModelVersion, list[ModelVersion], ModelVersion | None]]:
    """For each model: the version that the site is used to, the others, and which of them applies instead."""
    active = ModelVersion.objects.active().defer("card").order_by("slug", "-registered_at")
    found = []
    for slug, group in groupby(active, key=lambda version: version.slug):
        versions, known = list(group), known_to(site, slug)
        if known is not None:
            applies = in_use(site, slug)
            others = [version for version in versions if version != known]
            found.append((known, others, applies if applies != known else None))
    return found


@login_required
@require_POST
def begin(request: HttpRequest, site_id: UUID) -> HttpResponse:
    """Begin a replay on the latest studies."""
    site, form = site_for(request, site_id), ReplayForm(request.POST)
    if not form.is_valid():
        raise NothingToReplay(_("Two versions and a number of studies are needed."))
    asked = form.cleaned_data
    made = start_replay(site=site, old=asked["old"], new=asked["new"], studies=asked["studies"], user=person(request))
    messages.success(request, _("The replay began. Its pictures wait behind everything that was uploaded."))
    return redirect("numbers:replay", site.pk, made.pk)


@never_cache
@login_required
@require_safe
def replay(request: HttpRequest, site_id: UUID, replay_id: UUID) -> HttpResponse:
    """What the new version would change, study by study."""
    site, found = _replay(request, site_id, replay_id)
    context = {
        "site": site,
        "replay": found,
        "left": left_to_try(found),
        "comparison": compare(found),
        "colleagues": colleagues_of(person(request), site),
    }
    return render(request, "numbers/replay.html", context)


@login_required
@require_POST
def switch_over(request: HttpRequest, site_id: UUID, replay_id: UUID) -> HttpResponse:
    """Let the site screen with the new version."""
    site, found = _replay(request, site_id, replay_id)
    switch(replay_id=found.pk, user=person(request))
    messages.success(request, _("Switched. What is uploaded from now on is screened with the new version."))
    return redirect("numbers:replay", site.pk, found.pk)


@login_required
@require_POST
def close(request: HttpRequest, site_id: UUID, replay_id: UUID) -> HttpResponse:
    """Stay with the old version."""
    site, found = _replay(request, site_id, replay_id)
    close_replay(replay_id=found.pk, user=person(request))
    messages.success(request, _("The replay is closed. The site stays with the version it has."))
    return redirect("numbers:upgrades", site.pk)


def _replay(request: HttpRequest, site_id: UUID, replay_id: UUID) -> tuple[Site, Replay]:
    site = site_for(request, site_id)
    found = Replay.objects.select_related("old", "new", "asked_by", "decided_by")
    return site, get_object_or_404(found, pk=replay_id, site=site)
