"""A side table from a spreadsheet, for an upload that is there."""

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from screening.audit.actor import Actor
from screening.desk.forms import TableForm
from screening.desk.selectors import upload_for
from screening.desk.views import sender
from screening.errors import ScreeningError
from screening.flows.references import record_references

SHOWN = 5  # refused rows that are named


@login_required
@require_POST
def references(request: HttpRequest, upload_id: UUID) -> HttpResponse:
    """Give files of an upload their external identifiers and reference labels."""
    found = upload_for(request.user, upload_id)
    form = TableForm(request.POST, request.FILES)
    if not form.is_valid():
        messages.error(request, " ".join(str(error) for errors in form.errors.values() for error in errors))
        return redirect("desk:detail", upload_id)
    rows = form.cleaned_data["table"]
    try:
        recorded = record_references(upload_id=found.pk, rows=rows, actor=Actor.user(sender(request)))
    except ScreeningError as error:
        messages.error(request, str(error))
        return redirect("desk:detail", upload_id)
    refused, waiting = recorded.refused, recorded.waiting
    taken = len(rows) - len(refused)
    messages.success(request, ngettext("%(n)d row was taken.", "%(n)d rows were taken.", taken) % {"n": taken})
    if waiting:
        told = ngettext("%(n)d row waits for a file to come.", "%(n)d rows wait for files to come.", waiting)
        messages.warning(request, told % {"n": waiting})
    for one in refused[:SHOWN]:
        messages.warning(request, _("Row %(row)d: ") % {"row": one.row + 1} + f"{one.message} {one.what_to_do}")
    if len(refused) > SHOWN:
        messages.warning(request, _("%(n)d further rows were not taken.") % {"n": len(refused) - SHOWN})
    return redirect("desk:detail", upload_id)
