"""What belongs to one study: its audit, its reviews, its pictures, and its end."""

from typing import Any
from uuid import UUID

import structlog
from django.http import FileResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample
from rest_framework import status
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from screening.api.access import (
    ApiView,
    actor,
    caller,
    deletable_study,
    open_study,
    readable_study,
    visible_image,
)
from screening.api.examples import VALUES
from screening.api.repeating import Repeating
from screening.api.schema import answers, described
from screening.api.shapes.results import AuditOut, ReviewIn, ReviewsOut
from screening.api.shapes.uploads import PurgedOut
from screening.api.views.studies import OneStudy
from screening.audit.models import AuditEvent, ChainKind
from screening.audit.services import verify_chain
from screening.errors import AlreadyRead, AnswerFirst, IllegalTransition, InvalidAnswer
from screening.flows.purge import purge_study
from screening.review.boxes import Box
from screening.review.errors import BoxElsewhere, BoxNotTaken, BoxOutOfRange
from screening.review.services import AnswerIn, record_review
from screening.uploads.kept import at_hand
from screening.uploads.storage import blob_folder
from screening.users.models import Scope

log = structlog.get_logger("screening.access")


class ReadOrPurge(OneStudy):
    """One study: read it, or delete it."""

    @described(
        operation_id="studies_purge",
        summary="Delete a study that was sent by mistake",
        description="Pictures, results and paths go; a tombstone and the audit stay.",
        responses=answers({200: PurgedOut}, 403, 404, IllegalTransition),
    )
    def delete(self, request: Request, study_id: UUID) -> Response:
        study = deletable_study(request, study_id)
        purge_study(study_id=study.pk, actor=actor(request))
        return Response(PurgedOut({"purged": study.pk}).data)


class Audit(ApiView):
    """The chain of a study."""

    @described(
        operation_id="studies_audit",
        summary="Everything that happened to a study, and whether the chain is whole",
        responses=answers({200: AuditOut}, 404, AnswerFirst),
    )
    def get(self, request: Request, study_id: UUID) -> Response:
        study = open_study(request, study_id)
        report = verify_chain(ChainKind.STUDY, study.pk)
        body = {
            "study": study.pk,
            "chain": report.chain,
            "intact": report.intact,
            "broken_at": report.broken_at,
            "reason": report.reason,
            "events": AuditEvent.objects.filter(chain=report.chain).order_by("seq"),
        }
        return Response(AuditOut(body).data)


REFUSALS = (AlreadyRead, InvalidAnswer, BoxOutOfRange, BoxElsewhere, BoxNotTaken, IllegalTransition)


class Reviews(ApiView):
    """Answers of readers."""

    repeating = Repeating.TOLD
    writing_scopes = (Scope.REVIEW,)

    @described(
        operation_id="studies_review",
        summary="Answer every finding of a study",
        description="An earlier answer of the same reader is superseded, never overwritten. A `box` may tell where on "
        "one picture a finding is that is `present` or `unsure`: its sides are parts of the picture's columns and rows "
        "as they are stored, not as a viewer turned or enlarged them. A later answer carries its own box or none.",
        request=ReviewIn,
        responses=answers({201: ReviewsOut}, 400, 403, 404, *REFUSALS),
        examples=[
            OpenApiExample(
                "One finding",
                value={"answers": {"covid": {"answer": "present"}}, "comment": "Lower left."},
                request_only=True,
            ),
            OpenApiExample(
                "One finding, and where it is",
                value={"answers": {"covid": {"answer": "present", "box": VALUES["box"]}}},
                request_only=True,
            ),
        ],
    )
    def post(self, request: Request, study_id: UUID) -> Response:
        shape = ReviewIn(data=request.data)
        shape.is_valid(raise_exception=True)
        study = readable_study(request, study_id)
        answered = {finding: _answer(**given) for finding, given in shape.validated_data["answers"].items()}
        reviews = record_review(
            study_id=study.pk,
            reader=caller(request),
            answers=answered,
            comment=shape.validated_data["comment"],
            read_id=shape.validated_data.get("read"),
            actor=actor(request),
        )
        return Response(ReviewsOut({"study": study.pk, "reviews": reviews}).data, status=status.HTTP_201_CREATED)


def _answer(*, answer: str, reason: str, box: dict[str, Any] | None) -> AnswerIn:
    return AnswerIn(answer=answer, reason=reason, box=Box(**box) if box else None)


class Preview(ApiView):
    """A picture as people see it."""

    @described(
        operation_id="images_preview",
        summary="A picture as people see it: JPEG, de-identified, windowed",
        responses=answers({(200, "image/jpeg"): OpenApiTypes.BINARY}, 404),
    )
    def get(self, request: Request, image_id: UUID) -> FileResponse:
        image = visible_image(request, image_id)
        path = blob_folder(image.site_id, image.sha256) / f"{image.frame}.jpg"
        try:
            file = at_hand(path).open("rb")
        except FileNotFoundError as error:
            log.warning("preview_missing", image=str(image.pk))
            raise NotFound from error
        log.info("viewed", user=caller(request).pk, site=str(image.site_id), image=str(image.pk))
        headers = {"Cache-Control": "private, no-store", "X-Content-Type-Options": "nosniff"}
        return FileResponse(file, content_type="image/jpeg", headers=headers)
