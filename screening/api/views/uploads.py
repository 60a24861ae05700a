"""Uploads: open, list, look at, seal, cancel, retry, screen again, delete."""

from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from screening.api import cursors
from screening.api.access import (
    SEEING,
    ApiView,
    actor,
    caller,
    one_site,
    own_upload,
    sees_paths,
    visible_upload,
    visible_uploads,
)
from screening.api.repeating import Repeating
from screening.api.schema import answers, described
from screening.api.shapes.uploads import (
    ModelsIn,
    PurgedOut,
    QueuedOut,
    SealIn,
    UploadIn,
    UploadOut,
    UploadsOut,
)
from screening.errors import CountMismatch, IllegalTransition, KeyReused, NotCorrectable, UnknownModel
from screening.flows.acts import cancel_upload, seal_upload
from screening.flows.again import rescreen_upload, retry_upload
from screening.flows.offering import open_upload
from screening.flows.purge import purge_upload
from screening.review.blinding import Veil
from screening.uploads.models import Upload
from screening.users.roles import API_UPLOADERS

PAGE = 50
KEY = OpenApiParameter(
    "Idempotency-Key",
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    description="The same key gives the same upload, however often the request comes. At most 120 characters.",
)


class UploadView(ApiView):
    """The base of the views of one upload."""

    reading_scopes = SEEING

    def answer(self, request: Request, upload: Upload, code: int = status.HTTP_200_OK) -> Response:
        """Answer with the upload as it stands."""
        bound = Veil(caller(request)).binds(upload.site_id)
        context = {"with_paths": lambda one: sees_paths(request, one), "is_bound": bound}
        shape = UploadOut(upload, context=context)
        return Response(shape.data, status=code)


class Uploads(UploadView):
    """All uploads that the caller sees."""

    repeating = Repeating.OWN

    @described(
        operation_id="uploads_list",
        summary="List uploads, newest first",
        parameters=[OpenApiParameter("cursor", OpenApiTypes.STR), OpenApiParameter("site", OpenApiTypes.UUID)],
        responses=answers({200: UploadsOut}, 400),
    )
    def get(self, request: Request) -> Response:
        uploads = visible_uploads(request).order_by("-created_at", "-pk")
        if site_id := cursors.uuid_of(request.query_params.get("site"), field="site"):
            uploads = uploads.filter(site_id=site_id)
        page, cursor = cursors.newest_first(uploads, request.query_params.get("cursor"), PAGE)
        context = {"with_paths": lambda one: sees_paths(request, one)}
        return Response(UploadsOut({"results": page, "cursor": cursor}, context=context).data)

    @described(
        operation_id="uploads_open",
        summary="Open an upload",
        description="Then offer files, send those that are missing, and seal.",
        parameters=[KEY],
        request=UploadIn,
        responses=answers({201: UploadOut}, 400, 403, 404, UnknownModel, KeyReused, NotCorrectable),
        examples=[OpenApiExample("Everything by default", value={"name": "Monday"}, request_only=True)],
    )
    def post(self, request: Request) -> Response:
        shape = UploadIn(data=request.data)
        shape.is_valid(raise_exception=True)
        asked = dict(shape.validated_data)
        first = asked.pop("corrects")
        corrects = own_upload(request, first) if first else None
        site = one_site(request, asked.pop("site", None) or (corrects.site_id if corrects else None), API_UPLOADERS)
        key = cursors.short_header(request, "Idempotency-Key", 120)
        upload = open_upload(site=site, user=caller(request), idempotency_key=key, corrects=corrects, **asked)
        return self.answer(request, upload, status.HTTP_201_CREATED)


class OneUpload(UploadView):
    """One upload."""

    @described(
        operation_id="uploads_read",
        summary="How far an upload is",
        description="How many files and results there are in each state, and when it may end.",
        responses=answers({200: UploadOut}, 404),
    )
    def get(self, request: Request, upload_id: UUID) -> Response:
        return self.answer(request, visible_upload(request, upload_id))

    @described(
        operation_id="uploads_purge",
        summary="Delete what an upload brought: files, pictures, results and paths",
        description="Waiting work is cancelled first. A tombstone and the audit stay.",
        responses=answers({200: PurgedOut}, 403, 404, IllegalTransition),
    )
    def delete(self, request: Request, upload_id: UUID) -> Response:
        upload = own_upload(request, upload_id)
        purge_upload(upload_id=upload.pk, actor=actor(request))
        return Response(PurgedOut({"purged": upload.pk}).data)


class Seal(UploadView):
    """Take no more files."""

    repeating = Repeating.AGAIN

    @described(
        operation_id="uploads_seal",
        summary="No more files will come",
        description="Files that were offered and never sent become `not_sent`. Sealing twice is sealing once.",
        request=SealIn,
        responses=answers({202: UploadOut}, 400, 403, 404, CountMismatch, IllegalTransition),
    )
    def post(self, request: Request, upload_id: UUID) -> Response:
        shape = SealIn(data=request.data)
        shape.is_valid(raise_exception=True)
        upload = own_upload(request, upload_id)
        sealed = seal_upload(upload_id=upload.pk, count=shape.validated_data["count"], actor=actor(request))
        return self.answer(request, sealed, status.HTTP_202_ACCEPTED)


class Cancel(UploadView):
    """Cancel what waits."""

    repeating = Repeating.AGAIN

    @described(
        operation_id="uploads_cancel",
        summary="Cancel what waits; what has an outcome keeps it",
        request=None,
        responses=answers({202: UploadOut}, 403, 404, IllegalTransition),
    )
    def post(self, request: Request, upload_id: UUID) -> Response:
        upload = own_upload(request, upload_id)
        cancelled = cancel_upload(upload_id=upload.pk, actor=actor(request))
        return self.answer(request, cancelled, status.HTTP_202_ACCEPTED)


class Retry(UploadView):
    """Try again what failed."""

    repeating = Repeating.TOLD

    @described(
        operation_id="uploads_retry",
        summary="Try again what failed",
        request=None,
        responses=answers({202: QueuedOut}, 403, 404, IllegalTransition),
    )
    def post(self, request: Request, upload_id: UUID) -> Response:
        upload = own_upload(request, upload_id)
        queued = retry_upload(upload_id=upload.pk, actor=actor(request))
        return Response(QueuedOut({"upload": upload.pk, "queued": queued}).data, status=status.HTTP_202_ACCEPTED)


class Screenings(UploadView):
    """Ask further models."""

    repeating = Repeating.TOLD

    @described(
        operation_id="uploads_screen_again",
        summary="Screen the stored pictures with further models",
        description="Nothing is decoded again and no result is overwritten.",
        request=ModelsIn,
        responses=answers({202: QueuedOut}, 400, 403, 404, UnknownModel, IllegalTransition),
    )
    def post(self, request: Request, upload_id: UUID) -> Response:
        shape = ModelsIn(data=request.data)
        shape.is_valid(raise_exception=True)
        upload = own_upload(request, upload_id)
        queued = rescreen_upload(upload_id=upload.pk, models=shape.validated_data["models"], actor=actor(request))
        return Response(QueuedOut({"upload": upload.pk, "queued": queued}).data, status=status.HTTP_202_ACCEPTED)
