"""Pages of operating points: parse, ask one question or call one service, answer."""

from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from screening.numbers.access import person, site_for
from screening.numbers.forms import DaysForm, PointForm, ProposalForm
from screening.numbers.history import DAYS
from screening.numbers.models import PointProposal, Reflagging
from screening.numbers.points import approve_point, decline_point, propose_point
from screening.numbers.reflagging import reflag_some, start_reflagging
from screening.numbers.threshold_page import Choice, accuracy_of, choices, chosen, deciding, trial_of
from screening.users.models import Site

DEFAULT_DAYS = DAYS[1]


@never_cache
@login_required
@require_safe
def thresholds(request: HttpRequest, site_id: UUID) -> HttpResponse:
    """Try another operating point on stored scores; see and decide proposals."""
    return _page(request, site_for(request, site_id))


def _page(
    request: HttpRequest, site: Site, *, proposing: ProposalForm | None = None, status: int = 200
) -> HttpResponse:
    asked = request.POST if proposing is not None else request.GET
    offered = choices()
    choice = chosen(offered, asked.get("for", ""))
    if choice is None:
        return render(request, "numbers/no_model.html", {"site": site})
    form = PointForm(asked) if "value" in asked else None
    tried = form.cleaned_data if form is not None and form.is_valid() else {}
    value, days = tried.get("value"), tried.get("days", DEFAULT_DAYS)
    trial = trial_of(site=site, choice=choice, value=value, days=days)
    context = {
        "site": site,
        "choices": offered,
        "choice": choice,
        "trial": trial,
        "accuracy": accuracy_of(site=site, choice=choice, trial=trial),
        "form": form or PointForm(initial={"value": trial.present, "days": str(days)}),
        "days": days,
        "proposing": proposing or ProposalForm(),
        **deciding(site=site, choice=choice, user=person(request)),
    }
    return render(request, "numbers/thresholds.html", context, status=status)


@login_required
@require_POST
def propose(request: HttpRequest, site_id: UUID) -> HttpResponse:
    """Propose the value that was tried."""
    site, choice, form = site_for(request, site_id), _choice(request), ProposalForm(request.POST)
    if not form.is_valid():
        return _page(request, site, proposing=form, status=400)
    propose_point(
        site_id=site.pk,
        version=choice.version,
        label=choice.label,
        value=form.cleaned_data["value"],
        reason=form.cleaned_data["reason"],
        user=person(request),
    )
    messages.success(request, _("Proposed. It applies once another administrator of the site approves it."))
    return _back(site, choice)


@login_required
@require_POST
def approve(request: HttpRequest, site_id: UUID, proposal_id: UUID) -> HttpResponse:
    """Approve what somebody else proposed."""
    site, proposal = _proposal(request, site_id, proposal_id)
    approve_point(proposal_id=proposal.pk, user=person(request))
    messages.success(request, _("Approved. It applies to what is screened from now on; past studies keep their flags."))
    return _back(site, Choice(proposal.model_version, proposal.label))


@login_required
@require_POST
def decline(request: HttpRequest, site_id: UUID, proposal_id: UUID) -> HttpResponse:
    """Decline a proposal, or withdraw one's own."""
    site, proposal = _proposal(request, site_id, proposal_id)
    decline_point(proposal_id=proposal.pk, user=person(request))
    messages.success(request, _("The proposal is closed. The operating point stays as it is."))
    return _back(site, Choice(proposal.model_version, proposal.label))


@login_required
@require_POST
def reflag_start(request: HttpRequest, site_id: UUID) -> HttpResponse:
    """Begin to set the flags of past studies by the points of now."""
    site, choice, form = site_for(request, site_id), _choice(request), DaysForm(request.POST)
    days = form.cleaned_data["days"] if form.is_valid() else DEFAULT_DAYS
    start_reflagging(site_id=site.pk, version=choice.version, days=days, user=person(request))
    messages.success(request, _("Nothing has changed yet. Set the first batch when you are ready."))
    return _back(site, choice)


@login_required
@require_POST
def reflag_next(request: HttpRequest, site_id: UUID, reflagging_id: UUID) -> HttpResponse:
    """Set the flags of the next batch of studies."""
    site = site_for(request, site_id)
    work = get_object_or_404(Reflagging.objects.select_related("model_version"), pk=reflagging_id, site=site)
    reflag_some(reflagging_id=work.pk, user=person(request))
    return _back(site, Choice(work.model_version, work.model_version.flag_labels[0]))


def _choice(request: HttpRequest) -> Choice:
    key = request.POST.get("for", "")
    choice = chosen(choices(), key)
    if choice is None or choice.key != key:
        raise Http404
    return choice


def _proposal(request: HttpRequest, site_id: UUID, proposal_id: UUID) -> tuple[Site, PointProposal]:
    site = site_for(request, site_id)
    found = PointProposal.objects.select_related("model_version")
    return site, get_object_or_404(found, pk=proposal_id, site=site)


def _back(site: Site, choice: Choice) -> HttpResponse:
    return redirect(f"{reverse('numbers:thresholds', args=[site.pk])}?{urlencode({'for': choice.key})}")
