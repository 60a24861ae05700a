"""The failures of an upload as a table to work through; corrected files come back in an upload that names it."""

from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, StreamingHttpResponse
from django.views.decorators.http import require_GET

from screening.desk.selectors import upload_for
from screening.flows.replacing import failures_csv


@login_required
@require_GET
def failures(request: HttpRequest, upload_id: UUID) -> StreamingHttpResponse:
    """Path, reason, what to do, and what has replaced it, one line for each failure. For the site's staff alone."""
    found = upload_for(request.user, upload_id)
    headers = {
        "Cache-Control": "private, no-store",
        "Content-Disposition": f'attachment; filename="failures-{found.pk}.csv"',
    }
    return StreamingHttpResponse(failures_csv(found), content_type="text/csv; charset=utf-8", headers=headers)
