"""The part of a site's page about reading."""

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from screening.audit.actor import Actor
from screening.people.reads import set_reads
from screening.people.reads_forms import ReadsForm
from screening.people.selectors import administered
from screening.users.models import User


@login_required
@require_POST
def site_reads(request: HttpRequest, site_id: UUID) -> HttpResponse:
    """Change what a site decides about reading, or show what was wrong."""
    assert isinstance(request.user, User)  # behind login_required
    site = get_object_or_404(administered(request.user), pk=site_id)
    form = ReadsForm(request.POST, prefix="reads")
    if not form.is_valid():
        return render(request, "people/reads.html", {"site": site, "reads": form}, status=400)
    set_reads(site_id=site.pk, actor=Actor.user(request.user), **form.cleaned_data)
    messages.success(request, _("Stored. Draws are made with it from now on; blinding holds at once."))
    return redirect("admin_site", site_id)
