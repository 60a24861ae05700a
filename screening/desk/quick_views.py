"""The quick answer: one picture dropped, its verdict on the same page."""

from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from screening.desk.forms import QuickForm
from screening.desk.limits import said_limits
from screening.desk.quick import ask, verdict_of
from screening.desk.selectors import upload_for, upload_sites
from screening.desk.views import sender
from screening.errors import ScreeningError
from screening.results.models import ModelVersion


@login_required
@require_http_methods(["GET", "POST"])
def quick(request: HttpRequest) -> HttpResponse:
    """Show the drop zone; take one picture and answer with the first state of its verdict."""
    user = sender(request)
    sites = upload_sites(user)
    if request.method == "GET":
        context = {"sites": sites, "limits": said_limits(), "versions": ModelVersion.objects.active()}
        return render(request, "desk/quick.html", context)
    form = QuickForm(request.POST, request.FILES)
    if not form.is_valid():
        return _problem(request, _("No picture arrived, or it was empty."), _("Drop one file."), "empty_file")
    wanted = form.cleaned_data["site"]
    site = sites.filter(pk=wanted).first() if wanted else sites.first()
    if site is None:
        raise Http404
    try:
        upload = ask(site=site, user=user, picture=form.cleaned_data["picture"])
    except ScreeningError as error:
        return _problem(request, error.what_happened, str(error.what_to_do), error.code)
    return render(request, "desk/_verdict.html", {"verdict": verdict_of(upload)})


def _problem(request: HttpRequest, message: str, what_to_do: str, code: str) -> HttpResponse:
    context = {"problem": {"message": message, "what_to_do": what_to_do, "code": code}}
    return render(request, "desk/_verdict.html", context)


@login_required
@require_GET
def verdict(request: HttpRequest, upload_id: UUID) -> HttpResponse:
    """The verdict as far as it is; it asks for itself again until it is whole."""
    upload = upload_for(request.user, upload_id)
    if not upload.quick:
        raise Http404
    return render(request, "desk/_verdict.html", {"verdict": verdict_of(upload)})
