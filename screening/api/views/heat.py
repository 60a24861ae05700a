"""Where models looked: the maps of a picture, a wish for one, and its files."""

from pathlib import Path
from uuid import UUID

import structlog
from django.http import FileResponse
from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from screening.api.access import ApiView, caller, require_open, visible_image, visible_studies
from screening.api.repeating import Repeating
from screening.api.schema import answers, described
from screening.api.shapes.heat import HeatMapIn, HeatMapsOut
from screening.errors import AnswerFirst, NothingToExplain
from screening.flows.explained import ask_explanation, files_of
from screening.results.heat import CAVEAT, HeatLine, heat_of
from screening.results.models import Explanation, ExplanationState
from screening.studies.models import Image
from screening.uploads.kept import at_hand

log = structlog.get_logger("screening.access")


class HeatMaps(ApiView):
    """The heat maps of one picture."""

    repeating = Repeating.AGAIN
    writing_scopes = ApiView.reading_scopes  # a map decides nothing: who may read results may have one drawn

    @described(
        operation_id="heat_maps_list",
        summary="Where models looked: heat maps of a picture",
        description=(
            "What flags a study has its map drawn by itself: a radiograph, or the leading slice of a series. "
            "For others, ask with POST."
        ),
        responses=answers({200: HeatMapsOut}, 404, AnswerFirst),
    )
    def get(self, request: Request, image_id: UUID) -> Response:
        return _told(_open_image(request, image_id))

    @described(
        operation_id="heat_maps_draw",
        summary="Have a heat map drawn",
        description="Soon, not at once: ask with GET until its state is no longer `waiting`. Safe to repeat.",
        request=HeatMapIn,
        responses=answers({202: HeatMapsOut}, 400, 404, AnswerFirst, NothingToExplain),
    )
    def post(self, request: Request, image_id: UUID) -> Response:
        shape = HeatMapIn(data=request.data)
        shape.is_valid(raise_exception=True)
        image = _open_image(request, image_id)
        model, label = shape.validated_data["model"], shape.validated_data["label"]
        lines = [line for line in heat_of([image.pk])[image.pk] if line.screening.model_version.name == model]
        if not lines:
            raise NothingToExplain("That model gave this picture no score.")
        ask_explanation(screening_id=lines[0].screening.pk, label=label, user_id=caller(request).pk)
        return _told(image, status=202)


def _open_image(request: Request, image_id: UUID) -> Image:
    image = visible_image(request, image_id)
    require_open(request, image.study)
    return image


def _told(image: Image, *, status: int = 200) -> Response:
    lines = heat_of([image.pk])[image.pk]
    body = {"image": image.pk, "caveat": CAVEAT, "results": [line_of(line) for line in lines]}
    return Response(HeatMapsOut(body).data, status=status, headers={"Cache-Control": "private, no-store"})


def line_of(line: HeatLine) -> dict[str, object]:
    """Give the values of `HeatMapOut`."""
    told = line.explanation
    drawn = told if told is not None and told.state == ExplanationState.DRAWN else None
    return {
        "model": line.screening.model_version.name,
        "label": line.label,
        "score": line.score,
        "state": line.state,
        "code": (told.code or None) if told is not None else None,
        "why": line.sentence,
        "outside": drawn.outside if drawn else None,
        "altered": drawn.altered if drawn else {},
        "method": drawn.method if drawn else None,
        "field": drawn.field if drawn else None,
        "raw": reverse("api:heat_raw", args=[drawn.pk]) if drawn else None,
        "overlay": reverse("api:heat_overlay", args=[drawn.pk]) if drawn else None,
    }


class Raw(ApiView):
    """A map alone."""

    @described(
        operation_id="heat_maps_raw",
        summary="A heat map alone: 512 x 512 gray PNG of the plane, 255 where it is hottest",
        responses=answers({(200, "image/png"): OpenApiTypes.BINARY}, 404, AnswerFirst),
    )
    def get(self, request: Request, explanation_id: UUID) -> FileResponse:
        return _file(files_of(_drawn(request, explanation_id))[0], "image/png")


class Overlay(ApiView):
    """A map over its picture."""

    @described(
        operation_id="heat_maps_overlay",
        summary="A heat map over the picture as people see it: JPEG",
        responses=answers({(200, "image/jpeg"): OpenApiTypes.BINARY}, 404, AnswerFirst),
    )
    def get(self, request: Request, explanation_id: UUID) -> FileResponse:
        return _file(files_of(_drawn(request, explanation_id))[1], "image/jpeg")


def _drawn(request: Request, explanation_id: UUID) -> Explanation:
    visible = Explanation.objects.filter(screening__study__in=visible_studies(request), pk=explanation_id)
    found = visible.filter(state=ExplanationState.DRAWN).select_related("screening__image").first()
    if found is None:
        raise NotFound
    require_open(request, found.screening.study)
    log.info("heat_viewed", user=caller(request).pk, explanation=str(found.pk))
    return found


def _file(path: Path, kind: str) -> FileResponse:
    try:
        file = at_hand(path).open("rb")
    except FileNotFoundError as error:
        log.warning("heat_missing", kind=kind)
        raise NotFound from error
    headers = {"Cache-Control": "private, no-store", "X-Content-Type-Options": "nosniff"}
    return FileResponse(file, content_type=kind, headers=headers)
