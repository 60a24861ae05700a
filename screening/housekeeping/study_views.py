"""The page on which one study is deleted, by the staff of its site."""

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from screening.audit.actor import Actor
from screening.flows.purge import purge_study
from screening.numbers.access import person
from screening.review.open_tasks import is_being_read, waits_for_a_reader
from screening.review.selectors import study_for
from screening.studies.models import Study
from screening.users.roles import UPLOADERS, holds


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: HttpRequest, study_id: UUID) -> HttpResponse:
    """Say what goes, and delete the study once its short name was typed."""
    user, study = person(request), study_for(request.user, study_id)
    if not holds(user, study.site_id, UPLOADERS):
        raise PermissionDenied
    short = str(study.pk)[:8]
    if request.method != "POST":
        return _ask(request, study, short)
    if request.POST.get("short", "").strip().lower() != short:
        return _ask(request, study, short, wrong=True)
    purge_study(study_id=study.pk, actor=Actor.user(user))
    messages.success(
        request,
        _("Study %s is deleted: pictures, results and paths are gone, a note that it was here stays.") % short,
    )
    return redirect("desk:uploads")


def _ask(request: HttpRequest, study: Study, short: str, *, wrong: bool = False) -> HttpResponse:
    this = Study.objects.filter(pk=study.pk)
    context = {
        "study": study,
        "short": short,
        "wrong": wrong,
        "pictures": study.images.count(),
        "answers": study.reviews.filter(superseded_by__isnull=True).count(),
        "is_read": this.filter(is_being_read()).exists(),
        "waits": this.filter(waits_for_a_reader(study.site)).exists(),
    }
    return render(request, "housekeeping/study_delete.html", context, status=400 if wrong else 200)
