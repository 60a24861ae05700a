"""The page that tells what was done to the headers of an upload's files."""

from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from screening.desk.selectors import upload_for
from screening.flows.deidentified import headers_of


@login_required
@require_GET
def deidentification(request: HttpRequest, upload_id: UUID) -> HttpResponse:
    """Attributes by keyword with counts of files; never a value."""
    found = upload_for(request.user, upload_id)
    return render(request, "desk/deidentification.html", {"upload": found, "headers": headers_of(found)})
