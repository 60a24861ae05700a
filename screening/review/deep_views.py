"""The viewer's pictures in all their gray values: given if they were made, asked for if not."""

from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseNotModified, JsonResponse
from django.http.response import HttpResponseBase
from django.utils.cache import get_conditional_response
from django.views.decorators.http import require_http_methods

from screening.flows.deep import ask_deep, deep_path, deep_tag
from screening.review.selectors import image_for
from screening.studies.models import Image
from screening.uploads.kept import at_hand

# Kept by the browser alone, and asked for again each time: who may no longer see it is told so, and sent nothing.
KEPT = "private, no-cache"


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def deep(request: HttpRequest, image_id: UUID) -> HttpResponseBase:
    """The deep picture, or 204 while there is none; a POST has it made and says `there`, `asked` or `gone`."""
    image = image_for(request.user, image_id)
    if request.method == "POST":
        return JsonResponse({"deep": ask_deep(image)})
    return _given(request, image)


def _given(request: HttpRequest, image: Image) -> HttpResponseBase:
    try:
        file = at_hand(deep_path(image)).open("rb")
    except FileNotFoundError:
        return HttpResponse(status=204, headers={"Cache-Control": "no-store"})
    tag = f'"{deep_tag(image)}"'
    headers = {"Cache-Control": KEPT, "ETag": tag}
    if isinstance(get_conditional_response(request, etag=tag), HttpResponseNotModified):
        file.close()
        return HttpResponseNotModified(headers=headers)
    return FileResponse(file, content_type="application/octet-stream", headers=headers)
