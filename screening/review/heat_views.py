"""Where a model looked: the lines of one picture, a wish for a map, and its files."""

from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

import structlog
from django.contrib.auth.decorators import login_required
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.datastructures import MultiValueDictKeyError
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from screening.errors import ScreeningError
from screening.flows.explained import ask_explanation, files_of
from screening.results.heat import CAVEAT, PENDING, HeatLine, heat_of
from screening.results.models import Explanation, ExplanationState, Screening
from screening.review.selectors import image_for, open_studies
from screening.studies.models import Image
from screening.uploads.kept import at_hand, is_kept
from screening.users.models import User

access = structlog.get_logger("screening.access")


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def heat(request: HttpRequest, image_id: UUID) -> HttpResponse:
    """The maps of one picture; a POST has one drawn first."""
    image = image_for(request.user, image_id)
    if not open_studies(request.user).filter(pk=image.study_id).exists():
        raise Http404
    problem = _ask(request, image) if request.method == "POST" else None
    return render(request, "review/_heat.html", {**heat_context(image), "problem": problem})


def heat_context(image: Image) -> dict[str, object]:
    """What the part of the page with a picture's maps needs."""
    lines = heat_of([image.pk])[image.pk]
    waiting = any(line.explanation is not None and line.explanation.state in PENDING for line in lines)
    return {"image": image, "lines": lines, "waiting": waiting, "gone": _gone(lines), "caveat": _(CAVEAT)}


def _gone(lines: Sequence[HeatLine]) -> set[UUID]:
    """Maps that were drawn and whose files are no longer there: they can be drawn again."""
    found = set()
    for line in lines:
        told = line.explanation
        if told is not None and told.state == ExplanationState.DRAWN:
            told.screening = line.screening
            found |= {told.pk} if not all(map(is_kept, files_of(told))) else set()
    return found


def _ask(request: HttpRequest, image: Image) -> ScreeningError | None:
    assert isinstance(request.user, User)
    try:
        wanted, label = UUID(request.POST["screening"]), request.POST["label"]
    except (MultiValueDictKeyError, ValueError) as error:
        raise Http404 from error
    if not Screening.objects.filter(pk=wanted, image=image).exists():
        raise Http404
    try:
        ask_explanation(screening_id=wanted, label=label, user_id=request.user.pk)
    except ScreeningError as error:
        return error
    return None


@login_required
@require_GET
def raw(request: HttpRequest, explanation_id: UUID) -> FileResponse:
    """The map alone, of the plane: gray, 255 where it is hottest."""
    return _file(files_of(_drawn(request, explanation_id))[0], "image/png")


@login_required
@require_GET
def overlay(request: HttpRequest, explanation_id: UUID) -> FileResponse:
    """The map over the preview."""
    return _file(files_of(_drawn(request, explanation_id))[1], "image/jpeg")


def _drawn(request: HttpRequest, explanation_id: UUID) -> Explanation:
    visible = Explanation.objects.filter(screening__study__in=open_studies(request.user))
    found = visible.filter(pk=explanation_id, state=ExplanationState.DRAWN).select_related("screening__image").first()
    if found is None:
        raise Http404
    access.info("heat_viewed", user=request.user.pk, explanation=str(found.pk))
    return found


def _file(path: Path, kind: str) -> FileResponse:
    try:
        file = at_hand(path).open("rb")
    except FileNotFoundError as error:
        raise Http404 from error
    return FileResponse(file, content_type=kind, headers={"Cache-Control": "private, no-store"})
