"""Documents of a study for other systems: made by a worker when asked for, and told apart by what they hold."""

from uuid import UUID

import structlog
from django.http import FileResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter
from rest_framework import status
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from screening.api.access import ApiView, caller, visible_study
from screening.api.fhir_example import FHIR_EXAMPLE
from screening.api.schema import answers, described
from screening.api.shapes.documents import BeingMadeOut
from screening.errors import DocumentAway, DocumentNotMade, NothingToTell
from screening.flows.documents import CONTENT_TYPE, SUFFIX, Kind, find_or_ask, wanted
from screening.review.taking import may_take
from screening.uploads.kept import at_hand

log = structlog.get_logger("screening.access")
REFUSALS = (NothingToTell, DocumentNotMade, DocumentAway)
AGAIN_SECONDS = 2
MADE_LATER = "Made when it is asked for: until it is there the answer is 202 with `Retry-After`. Ask again."


def _given(request: Request, study_id: UUID, kind: Kind) -> FileResponse | Response:
    study = visible_study(request, study_id)
    if not may_take(caller(request), study):
        raise NotFound
    document = wanted(study, kind, _heat_map(request) if kind == Kind.HEAT_MAP else None)
    path = find_or_ask(document)
    if path is None:
        body = BeingMadeOut({"study": study.pk, "document": kind.value}).data
        headers = {"Retry-After": str(AGAIN_SECONDS), "Cache-Control": "no-store"}
        return Response(body, status=status.HTTP_202_ACCEPTED, headers=headers)
    log.info("document_taken", user=caller(request).pk, site=str(study.site_id), study=str(study.pk), kind=kind.value)
    name = f"{study.pk}.{kind.value}.{SUFFIX[kind]}"
    headers = {
        "Cache-Control": "private, no-store",
        "X-Content-Type-Options": "nosniff",
        "ETag": f'"{document.key[:32]}"',
    }
    return FileResponse(
        at_hand(path).open("rb"), as_attachment=True, filename=name, content_type=CONTENT_TYPE[kind], headers=headers
    )


def _heat_map(request: Request) -> UUID | None:
    named = request.query_params.get("heat_map", "")
    try:
        return UUID(named) if named else None
    except ValueError as error:
        raise ValidationError({"heat_map": ["Enter the identifier of a heat map."]}) from error


class Report(ApiView):
    """The structured report of a study."""

    @described(
        operation_id="studies_report",
        summary="A study as a DICOM structured report (TID 1500), preliminary and unverified",
        description=f"{MADE_LATER} It refers to the pseudonymous UIDs of the de-identified objects.",
        responses=answers({(200, "application/dicom"): OpenApiTypes.BINARY, 202: BeingMadeOut}, 404, *REFUSALS),
    )
    def get(self, request: Request, study_id: UUID) -> FileResponse | Response:
        return _given(request, study_id, Kind.REPORT)


class HeatMapCapture(ApiView):
    """A heat map of a study as a DICOM object."""

    @described(
        operation_id="studies_heat_map",
        summary="A heat map of a study as a DICOM secondary capture, marked as not for diagnosis",
        description=f"{MADE_LATER} Without `heat_map` the leading one: of a flag, else of the highest score.",
        parameters=[OpenApiParameter("heat_map", OpenApiTypes.UUID, description="One of the maps that are drawn.")],
        responses=answers({(200, "application/dicom"): OpenApiTypes.BINARY, 202: BeingMadeOut}, 400, 404, *REFUSALS),
    )
    def get(self, request: Request, study_id: UUID) -> FileResponse | Response:
        return _given(request, study_id, Kind.HEAT_MAP)


class Fhir(ApiView):
    """A study as FHIR."""

    @described(
        operation_id="studies_fhir",
        summary="A study as a FHIR R4 bundle: DiagnosticReport, Observations, ImagingStudy",
        description=f"{MADE_LATER} Its structure is checked; no profile is claimed.",
        responses=answers({(200, "application/fhir+json"): OpenApiTypes.OBJECT, 202: BeingMadeOut}, 404, *REFUSALS),
        examples=[
            OpenApiExample(
                "Report, one score and its model; the whole one has every picture, reader and the imaging study",
                value=FHIR_EXAMPLE,
                response_only=True,
                media_type="application/fhir+json",
            )
        ],
    )
    def get(self, request: Request, study_id: UUID) -> FileResponse | Response:
        return _given(request, study_id, Kind.FHIR)
