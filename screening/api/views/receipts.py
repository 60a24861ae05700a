"""Receipts, and the side tables that name what is on them."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any
from uuid import UUID

from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser, JSONParser
from rest_framework.request import Request
from rest_framework.response import Response

from ml.vocabulary import DISCLAIMER
from screening.api.access import SEEING, ApiView, actor, caller, own_upload, sees_paths, visible_upload
from screening.api.examples import VALUES
from screening.api.repeating import Repeating
from screening.api.schema import answers, described
from screening.api.shapes.results import ReceiptOut
from screening.api.shapes.sending import ReferencesIn, ReferencesOut
from screening.api.shapes.uploads import ArchiveOut, DeidentificationOut
from screening.errors import IllegalTransition, TableUnreadable
from screening.flows.deidentified import headers_of
from screening.flows.naming import unmatched
from screening.flows.receipt import Hides, receipt, refused_archives
from screening.flows.receipt_forms import as_json, receipt_columns, receipt_csv
from screening.flows.references import ReferenceRow, record_references
from screening.flows.tables import read_table
from screening.review.blinding import Veil
from screening.uploads.models import Upload
from screening.uploads.receipt import csv_lines

NEVER_KEPT = {"Cache-Control": "private, no-store"}
SHOWN: dict[str, Any] = {
    **VALUES,
    "outcome": "accepted",
    "replaces": None,
    "replaced_by": None,
    "notes": "",
    "quality": "",
    "result": "scored",
    "result_code": None,
    "scores": "covid=0.830000",
    "thresholds": "covid=0.410000",
}
COLUMNS = receipt_columns(with_paths=True)


class Receipt(ApiView):
    """What became of every file."""

    reading_scopes = SEEING

    @described(
        operation_id="uploads_receipt",
        summary="What became of every file",
        description=(
            "Every item in exactly one state, with what each model said at the present pipeline. `path` is there for "
            "the staff of the site and for the token that uploaded. Streamed, since it may be long."
        ),
        responses=answers({200: ReceiptOut}, 404),
    )
    def get(self, request: Request, upload_id: UUID) -> StreamingHttpResponse:
        upload = visible_upload(request, upload_id)
        lines = _json_lines(upload, with_paths=sees_paths(request, upload), hides=Veil(caller(request)).hides)
        return StreamingHttpResponse(lines, content_type="application/json", headers=NEVER_KEPT)


def _json_lines(upload: Upload, *, with_paths: bool, hides: Hides) -> Iterator[str]:
    start = {
        "disclaimer": DISCLAIMER,
        "upload": str(upload.pk),
        "state": upload.state,
        "unmatched": unmatched(upload),
        "archives": ArchiveOut(refused_archives(upload), many=True).data,
    }
    yield f'{json.dumps(start)[:-1]}, "items": ['
    for number, item in enumerate(receipt(upload, with_paths=with_paths, hides=hides)):
        yield (",\n" if number else "\n") + json.dumps(as_json(item, with_paths=with_paths))
    yield "\n]}\n"


class Deidentification(ApiView):
    """What was done to the headers of an upload's files."""

    reading_scopes = SEEING

    @described(
        operation_id="uploads_deidentification",
        summary="Which attributes of DICOM headers were kept, changed and removed",
        description="By keyword, with counts of files and never a value; for the staff of the site and the uploader.",
        responses=answers({200: DeidentificationOut}, 403, 404),
    )
    def get(self, request: Request, upload_id: UUID) -> Response:
        return Response(DeidentificationOut(headers_of(own_upload(request, upload_id))).data, headers=NEVER_KEPT)


class ReceiptCsv(ApiView):
    """The receipt as a table."""

    reading_scopes = SEEING

    @described(
        operation_id="uploads_receipt_csv",
        summary="The receipt as CSV: one line for each item, picture and model",
        responses=answers({(200, "text/csv"): OpenApiTypes.STR}, 404),
        examples=[
            OpenApiExample(
                "One file, one picture, one model",
                value="".join(csv_lines(COLUMNS, [[SHOWN[name] for name in COLUMNS]])),
                response_only=True,
                media_type="text/csv",
            )
        ],
    )
    def get(self, request: Request, upload_id: UUID) -> StreamingHttpResponse:
        upload = visible_upload(request, upload_id)
        lines = receipt_csv(upload, with_paths=sees_paths(request, upload), hides=Veil(caller(request)).hides)
        name = f"receipt-{upload.pk}.csv"
        headers = {**NEVER_KEPT, "Content-Disposition": f'attachment; filename="{name}"'}
        return StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8", headers=headers)


class CsvParser(BaseParser):
    """A side table as a spreadsheet writes it: a header with `path`, `external_id`, `label`."""

    media_type = "text/csv"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> dict[str, Any]:  # noqa: ARG002 - the signature is DRF's
        """Read the table into rows.

        Raises:
            ParseError: it is not CSV in UTF-8, its header names no path, or a value is too long.
        """
        try:
            return {"rows": [asdict(row) for row in read_table(stream.read())]}
        except TableUnreadable as error:
            raise ParseError(error.what_happened) from error


class References(ApiView):
    """The side table of an upload."""

    repeating = Repeating.AGAIN
    parser_classes = (JSONParser, CsvParser)

    @described(
        operation_id="uploads_references",
        summary="Name the files: a side table with external identifiers and reference labels",
        description=(
            "JSON rows, or CSV with a header. May come before or after the files, and again; the last row for a path "
            "counts. `external_id` is given back wherever the study appears; `label` is hidden from readers."
        ),
        request={"application/json": ReferencesIn, "text/csv": OpenApiTypes.STR},
        responses=answers({200: ReferencesOut}, 400, 403, 404, IllegalTransition),
        examples=[
            OpenApiExample(
                "One row",
                value={"rows": [{"path": "ward/a.png", "external_id": "case-17", "label": "covid"}]},
                request_only=True,
                media_type="application/json",
            )
        ],
    )
    def post(self, request: Request, upload_id: UUID) -> Response:
        shape = ReferencesIn(data=request.data)
        shape.is_valid(raise_exception=True)
        upload = own_upload(request, upload_id)
        rows = [ReferenceRow(**row) for row in shape.validated_data["rows"]]
        recorded = record_references(upload_id=upload.pk, rows=rows, actor=actor(request))
        taken = len(rows) - len(recorded.refused)
        counts = {"taken": taken, "matched": taken - recorded.waiting, "waiting": recorded.waiting}
        return Response(ReferencesOut({**counts, "refused": recorded.refused}).data)
