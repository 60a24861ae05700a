"""The bytes' way in: check what is needed, send files, send archives in parts."""

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, QueryDict
from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter
from rest_framework import status
from rest_framework.exceptions import ValidationError
from rest_framework.parsers import BaseParser, MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from screening.api.access import SEEING, ApiView, actor, own_upload
from screening.api.handlers import FIELD, IncomingHandler, StoredFile
from screening.api.repeating import Repeating
from screening.api.schema import answers, described
from screening.api.shapes.sending import ArchiveOffsetOut, ArchivePartOut, CheckIn, CheckOut, FilesIn, FilesOut
from screening.errors import BadOffset, HashMismatch, IncompletePart, UploadClosed
from screening.flows.offering import Offered, check_files, preflight
from screening.flows.receiving import (
    ArchiveProgress,
    Arrived,
    Part,
    archive_offset,
    receive_archive_part,
    receive_stored,
)
from screening.store.errors import StoreAway
from screening.uploads import storage

EMPTY_HASH: Final = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
RANGE: Final = re.compile(r"\Abytes (\d{1,18})-(\d{1,18})/(\d{1,18})\Z")
DIGEST: Final = re.compile(r"sha-256=:([A-Za-z0-9+/=]{44}):")


class Check(ApiView):
    """Offer files."""

    repeating = Repeating.AGAIN

    @described(
        operation_id="uploads_check",
        summary="Offer files and learn which of them are needed",
        description=(
            "Up to 1,000 at a time, in as many calls as it takes, and safe to repeat: an upload that was cut off is "
            "continued by offering everything again. Send what is `missing`. `duplicate`: the site has these bytes, "
            "models that have not seen them are asked. `received`: this upload has them already. `rejected`: `code` "
            "says why. Every path is an item of the receipt, except one offered again with other bytes "
            "(`path_twice`), since a path names one item."
        ),
        request=CheckIn,
        responses=answers({200: CheckOut}, 400, 403, 404, 413, UploadClosed),
        examples=[
            OpenApiExample(
                "One file",
                value={"files": [{"path": "ward/a.png", "size": 48213, "sha256": EMPTY_HASH}]},
                request_only=True,
            )
        ],
    )
    def post(self, request: Request, upload_id: UUID) -> Response:
        shape = CheckIn(data=request.data)
        shape.is_valid(raise_exception=True)
        upload = own_upload(request, upload_id)
        offered = [Offered(**file) for file in shape.validated_data["files"]]
        checked = check_files(upload_id=upload.pk, files=offered, actor=actor(request))
        body = {"files": checked, "preflight": preflight(upload.pk), "limits": settings.CONFIG.limits}
        return Response(CheckOut(body).data)


class Files(ApiView):
    """Send files. They go to disk while they arrive; what is not taken is gone when the answer leaves."""

    repeating = Repeating.AGAIN
    parser_classes = (MultiPartParser,)

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        # Set before anything reads the body: checking a session's CSRF token does.
        self.incoming = IncomingHandler(request)
        request.upload_handlers = [self.incoming]
        try:
            return super().dispatch(request, *args, **kwargs)
        finally:
            self.incoming.abandon()

    @described(
        operation_id="uploads_files",
        summary="Send files that are missing",
        description=(
            "Multipart: for each file a field `path` and a field `file`, both in the same order; at most 50 files or "
            "16 MiB together, a larger file alone. A `file` part needs a file name, which is ignored. Each answer is "
            "`received` or a refusal of that file alone; sending a file again changes nothing."
        ),
        request={"multipart/form-data": FilesIn},
        responses=answers({200: FilesOut}, 400, 403, 404, 413, 507, UploadClosed, StoreAway),
    )
    def post(self, request: Request, upload_id: UUID) -> Response:
        upload = own_upload(request, upload_id)
        arrived = _arrived(request)
        self.incoming.take()
        received = receive_stored(upload_id=upload.pk, files=arrived, actor=actor(request))
        return Response(FilesOut({"files": received}).data)


def _arrived(request: Request) -> list[Arrived]:
    files = request.FILES.getlist(FIELD)
    paths = request.data.getlist("path") if isinstance(request.data, QueryDict) else []
    if not files or len(files) != len(paths) or any(name != FIELD for name in request.FILES):
        message = f"{len(paths)} fields `path` came with {len(files)} fields `file`; each file needs one of each."
        raise ValidationError({FIELD: [message]})
    return [
        Arrived(path=path, stored=file.stored)
        for path, file in zip(paths, files, strict=True)
        if isinstance(file, StoredFile)
    ]


class BytesParser(BaseParser):
    """Let a body of any type through untouched: the view reads the stream."""

    media_type = "application/octet-stream"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:  # noqa: ARG002 - the signature is DRF's
        return stream


class ArchiveParts(ApiView):
    """A zip in parts."""

    parser_classes = (BytesParser,)
    reading_scopes = SEEING

    @described(
        operation_id="uploads_archive_part",
        summary="Send a part of a zip",
        description=(
            "Parts follow one another without gaps; the last one hands the zip to the workers, and its members become "
            "items. A part counts only once all of it is stored. One that starts at 0 begins a new zip, or the one "
            "that was cut off, from its start. Ask with HEAD where to go on."
        ),
        parameters=[
            OpenApiParameter(
                "Content-Range",
                OpenApiTypes.STR,
                OpenApiParameter.HEADER,
                required=True,
                description="`bytes FIRST-LAST/TOTAL`, LAST included.",
            ),
            OpenApiParameter(
                "Content-Digest",
                OpenApiTypes.STR,
                OpenApiParameter.HEADER,
                description="`sha-256=:BASE64:` of this part (RFC 9530); verified if it is there.",
            ),
        ],
        request={"application/octet-stream": OpenApiTypes.BINARY},
        responses=answers(
            {200: ArchivePartOut},
            *(400, 403, 404, 413, 507),
            *(UploadClosed, BadOffset, HashMismatch, IncompletePart, StoreAway),
        ),
    )
    def put(self, request: Request, upload_id: UUID) -> Response:
        upload = own_upload(request, upload_id)
        part = _part(request)
        progress = receive_archive_part(
            upload_id=upload.pk,
            part=part,
            parts=_pieces(request, part.length),
            actor=actor(request),
        )
        return Response(ArchivePartOut(asdict(progress)).data)

    @described(
        operation_id="uploads_archive_offset",
        summary="Where the next part of a zip starts",
        description=(
            "HEAD gives the same as headers: `Upload-Offset`, 0 where no zip is arriving, and `Upload-Length`, "
            "absent then."
        ),
        responses=answers({200: ArchiveOffsetOut}, 403, 404),
    )
    def get(self, request: Request, upload_id: UUID) -> Response:
        progress = archive_offset(own_upload(request, upload_id).pk)
        body = asdict(progress) if progress else {"archive": None, "offset": 0, "size": None, "state": None}
        return Response(ArchiveOffsetOut(body).data, headers=_offset_headers(progress))

    @described(exclude=True)
    def head(self, request: Request, upload_id: UUID) -> Response:
        progress = archive_offset(own_upload(request, upload_id).pk)
        return Response(status=status.HTTP_200_OK, headers=_offset_headers(progress))


def _offset_headers(progress: ArchiveProgress | None) -> dict[str, str]:
    headers = {"Upload-Offset": str(progress.offset if progress else 0), "Cache-Control": "no-store"}
    return headers | ({"Upload-Length": str(progress.size)} if progress else {})


def _part(request: Request) -> Part:
    """Read where the part belongs.

    Raises:
        ValidationError: the headers do not say, or contradict each other.
    """
    fits = RANGE.match(request.headers.get("Content-Range", ""))
    if not fits:
        raise ValidationError({"Content-Range": ["Send `bytes FIRST-LAST/TOTAL`."]})
    first, last, total = (int(number) for number in fits.groups())
    length = last - first + 1
    if int(request.META.get("CONTENT_LENGTH") or 0) != length:
        raise ValidationError({"Content-Length": [f"The range has {length} bytes; send a body of that length."]})
    return Part(start=first, length=length, total=total, sha256=_digest(request.headers.get("Content-Digest", "")))


def _digest(header: str) -> str:
    found = DIGEST.search(header)
    try:
        return base64.b64decode(found.group(1), validate=True).hex() if found else ""
    except binascii.Error as error:
        raise ValidationError({"Content-Digest": ["Send `sha-256=:BASE64:`."]}) from error


def _pieces(request: Request, length: int) -> Iterator[bytes]:
    """Read the body a piece at a time, never past its announced end."""
    left = length
    while left:
        piece = request.stream.read(min(storage.PART, left)) if request.stream else b""
        if not piece:
            return
        left -= len(piece)
        yield piece
