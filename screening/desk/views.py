"""The pages of the people who send pictures: parse, ask one question or call one service, answer."""

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from screening.audit.actor import Actor
from screening.desk.forms import OutcomeForm, RescreenForm
from screening.desk.limits import checked_limits, said_limits
from screening.desk.receipts import page_of_receipt
from screening.desk.selectors import (
    continued_upload,
    corrected_upload,
    list_uploads,
    open_uploads,
    status_of,
    upload_for,
    upload_sites,
)
from screening.errors import ScreeningError
from screening.flows.acts import cancel_upload, seal_upload
from screening.flows.again import rescreen_upload, retry_upload
from screening.flows.purge import purge_upload
from screening.flows.replacing import failures_of
from screening.results.models import ModelVersion
from screening.results.selectors import chosen_models, still_active
from screening.uploads.models import ChosenModality, GroupBy
from screening.users.models import User


def sender(request: HttpRequest) -> User:
    """The user, if there is a site at which they may upload; for anybody else the page does not exist."""
    if not isinstance(request.user, User) or not upload_sites(request.user).exists():
        raise Http404
    return request.user


@login_required
@require_GET
def upload(request: HttpRequest) -> HttpResponse:
    """Choose, check and send files."""
    user = sender(request)
    corrects = corrected_upload(user, request.GET.get("corrects", ""))
    sites = upload_sites(user).filter(pk=corrects.site_id) if corrects else upload_sites(user)
    first = sites.first()  # the one that the form begins with
    chosen = (
        still_active(corrects.models_chosen) if corrects else chosen_models([], site_id=first.pk if first else None)
    )
    context = {
        "sites": sites,
        "versions": ModelVersion.objects.active(),
        "chosen": {version.pk for version in chosen},
        "corrects": corrects,
        "modalities": ChosenModality.choices,
        "groupings": GroupBy.choices,
        "limits": said_limits(),
        "checked": checked_limits(),
        "continued": continued_upload(user, request.GET.get("continue", "")),
        "open_uploads": [] if corrects else open_uploads(user),
    }
    return render(request, "desk/upload.html", context)


@login_required
@require_GET
def uploads(request: HttpRequest) -> HttpResponse:
    """Uploads of the user's sites, the latest first."""
    user = sender(request)
    after = request.GET.get("after", "")
    return render(request, "desk/uploads.html", {"listed": list_uploads(user, after), "is_first": not after})


@login_required
@require_GET
def detail(request: HttpRequest, upload_id: UUID) -> HttpResponse:
    """One upload: how far it is, what failed and why, and what can be done."""
    found = upload_for(request.user, upload_id)
    failures = failures_of(found.pk)
    context = {
        "upload": found,
        "status": status_of(found),
        "failures": failures.count(),
        "replaced": failures.filter(replacements__isnull=False).distinct().count(),
        "corrections": found.corrections.filter(purged_at__isnull=True),
        "versions": [one for one in ModelVersion.objects.active() if one.name not in found.models_chosen],
    }
    return render(request, "desk/detail.html", context)


@login_required
@require_GET
def progress(request: HttpRequest, upload_id: UUID) -> HttpResponse:
    """The part of the upload page that moves; 304 where nothing did."""
    status = status_of(upload_for(request.user, upload_id))
    etag = f'"{status.etag}"'
    if request.headers.get("If-None-Match") == etag:
        response = HttpResponse(status=304)
    else:
        response = render(request, "desk/_progress.html", {"status": status, "upload": status.upload})
    response["ETag"] = etag
    response["Cache-Control"] = "private, no-cache"
    return response


@login_required
@require_GET
def receipt(request: HttpRequest, upload_id: UUID) -> HttpResponse:
    """One page of the receipt, of all items or of one outcome."""
    found = upload_for(request.user, upload_id)
    outcome = OutcomeForm(request.GET).chosen()
    context = {
        "upload": found,
        "page": page_of_receipt(found, outcome=outcome, after=request.GET.get("after", "")),
        "outcome": outcome,
        "json_url": f"/api/v1/uploads/{found.pk}/receipt/",
        "csv_url": f"/api/v1/uploads/{found.pk}/receipt.csv",
        "is_first": "after" not in request.GET,
    }
    return render(request, "desk/receipt.html", context)


def _act(request: HttpRequest, upload_id: UUID, said: str) -> HttpResponseRedirect:
    messages.success(request, said)
    return redirect("desk:detail", upload_id)


def _refused(request: HttpRequest, upload_id: UUID, error: ScreeningError) -> HttpResponseRedirect:
    messages.error(request, f"{error.what_happened} {error.what_to_do}")
    return redirect("desk:detail", upload_id)


@login_required
@require_POST
def seal(request: HttpRequest, upload_id: UUID) -> HttpResponse:
    """Take no more files for an upload."""
    found = upload_for(request.user, upload_id)
    try:
        seal_upload(upload_id=found.pk, count=None, actor=_actor(request))
    except ScreeningError as error:
        return _refused(request, upload_id, error)
    return _act(request, upload_id, _("The upload takes no more files. What never arrived is marked as not sent."))


@login_required
@require_POST
def cancel(request: HttpRequest, upload_id: UUID) -> HttpResponse:
    """Cancel what still waits."""
    found = upload_for(request.user, upload_id)
    try:
        cancel_upload(upload_id=found.pk, actor=_actor(request))
    except ScreeningError as error:
        return _refused(request, upload_id, error)
    return _act(request, upload_id, _("What was waiting is cancelled. What has an outcome keeps it."))


@login_required
@require_POST
def retry(request: HttpRequest, upload_id: UUID) -> HttpResponse:
    """Try again what failed."""
    found = upload_for(request.user, upload_id)
    try:
        number = retry_upload(upload_id=found.pk, actor=_actor(request))
    except ScreeningError as error:
        return _refused(request, upload_id, error)
    return _act(request, upload_id, ngettext("%(n)d is tried again.", "%(n)d are tried again.", number) % {"n": number})


@login_required
@require_POST
def rescreen(request: HttpRequest, upload_id: UUID) -> HttpResponse:
    """Ask further models about the pictures of an upload."""
    found = upload_for(request.user, upload_id)
    form = RescreenForm(request.POST)
    if not form.is_valid():
        messages.error(request, _("Choose at least one model."))
        return redirect("desk:detail", upload_id)
    try:
        number = rescreen_upload(upload_id=found.pk, models=form.cleaned_data["models"], actor=_actor(request))
    except ScreeningError as error:
        return _refused(request, upload_id, error)
    said = ngettext("%(n)d picture is screened with it.", "%(n)d screenings are on their way.", number) % {"n": number}
    return _act(request, upload_id, said)


@login_required
@require_http_methods(["GET", "POST"])
def purge(request: HttpRequest, upload_id: UUID) -> HttpResponse:
    """Ask whether an upload shall be deleted for good, and delete it."""
    found = upload_for(request.user, upload_id)
    if request.method == "GET" or "sure" not in request.POST:
        return render(request, "desk/purge.html", {"upload": found, "status": status_of(found)})
    try:
        purge_upload(upload_id=found.pk, actor=_actor(request))
    except ScreeningError as error:
        return _refused(request, upload_id, error)
    messages.success(
        request, _("The upload is deleted: pictures, previews and names are gone, a note that they were stays.")
    )
    return redirect("desk:uploads")


def _actor(request: HttpRequest) -> Actor:
    return Actor.user(sender(request))
