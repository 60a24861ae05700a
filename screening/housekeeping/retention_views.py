"""The page of retention: what a policy would delete is shown before it can be stored."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from screening.audit.actor import Actor
from screening.housekeeping.forms import RetentionForm
from screening.housekeeping.retention import Policy, preview
from screening.numbers.access import person, site_for
from screening.people.members import set_retention
from screening.users.models import Site


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def retention(request: HttpRequest, site_id: UUID) -> HttpResponse:
    """Try a policy, and store it once its effect was seen and the name of the site was typed."""
    site = site_for(request, site_id)
    if request.method != "POST":
        return _page(request, site, _asked(request, site))
    form = RetentionForm(request.POST)
    if not form.is_valid():
        return _page(request, site, form, status=400)
    if form.cleaned_data["study_days"] is not None and request.POST.get("name", "").strip() != site.name:
        return _page(request, site, form, wrong_name=True, status=400)
    set_retention(site_id=site.pk, actor=Actor.user(person(request)), **form.cleaned_data)
    if form.cleaned_data["study_days"] is None:
        messages.success(request, _("Stored. No study is deleted by age."))
    else:
        messages.success(request, _("Stored. What is too old is deleted bit by bit from now on."))
    return redirect("housekeeping:retention", site_id)


def _asked(request: HttpRequest, site: Site) -> RetentionForm:
    """The form as it was tried, or as the site decided."""
    if "failed_days" in request.GET:
        return RetentionForm(request.GET)
    return RetentionForm(RetentionForm.initial_of(site))


def _page(
    request: HttpRequest, site: Site, form: RetentionForm, *, wrong_name: bool = False, status: int = 200
) -> HttpResponse:
    chosen = form.cleaned_data if form.is_valid() else {}
    days = chosen.get("study_days")
    context: dict[str, Any] = {
        "site": site,
        "form": form,
        "chosen": chosen,
        "is_new": bool(chosen) and chosen != RetentionForm.initial_of(site),
        "told": preview(Policy(site=site, days=days, keep_unread=chosen["keep_unread"])) if days else None,
        "wrong_name": wrong_name,
    }
    return render(request, "housekeeping/retention.html", context, status=status)
