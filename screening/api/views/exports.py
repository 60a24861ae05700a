"""Tables of results, streamed: of any size, in constant memory, and resumable."""

import threading
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, Final

import structlog
from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample
from rest_framework.request import Request

from screening.api.access import ApiView, caller, one_site
from screening.api.asking import studies_asked_for
from screening.api.examples import VALUES
from screening.api.exporting import COLUMNS, Row, as_csv, as_ndjson, rows_of
from screening.api.schema import answers, described
from screening.api.shapes.studies import StudiesQuery
from screening.errors import TooManyExports
from screening.review.blinding import Veil
from screening.users.roles import SEE_RESULTS

log = structlog.get_logger("screening.access")
AT_ONCE: Final = 2  # exports in one web process: each holds a thread until its last row
PLACES: Final = threading.BoundedSemaphore(AT_ONCE)
WORDS: Final = (
    "One row for each study, picture and model, in the order of changes; a study without a picture has one row. The "
    "last row of a study holds its `cursor`: cut off, drop what follows the last one and ask with it for the rest. "
    "A study that changes meanwhile stands again with a higher `change_number`. No paths, no names of files. "
    "At most two exports run in a web process; `503` with `Retry-After` asks to come back."
)
OWN: Final = {"study_state": "ready", "study_flag": "flagged", "review": {"covid": "confirmed"}}
EXAMPLE: Final[Row] = {name: (OWN | dict(VALUES))[name] for name in COLUMNS}


class Streamed:
    """The pieces of an export, which keeps its place until the last of them, or until the caller has gone."""

    def __init__(self, pieces: Iterator[str], told: Callable[[], None]) -> None:
        if not PLACES.acquire(blocking=False):
            raise TooManyExports(f"{AT_ONCE} exports are being written.")
        self._pieces = pieces
        self._told = told
        self._open = True

    def __iter__(self) -> Iterator[str]:
        return self._pieces

    def close(self) -> None:
        if self._open:
            self._open = False
            PLACES.release()
            self._told()


class Export(ApiView):
    """A table of results."""

    content_type: ClassVar[str]
    name: ClassVar[str]

    def export(self, request: Request, form: Callable[[Iterator[list[Row]]], Iterator[str]]) -> StreamingHttpResponse:
        """Stream the table that was asked for."""
        shape = StudiesQuery(data=request.query_params)
        shape.is_valid(raise_exception=True)
        asked: dict[str, Any] = shape.validated_data
        site = one_site(request, asked.get("site"), SEE_RESULTS)
        who, veil, rows = caller(request).pk, Veil(caller(request)), 0
        studies_asked_for(site.pk, asked, veil)  # what cannot be asked is refused now, not in the middle of an answer

        def counted() -> Iterator[list[Row]]:
            nonlocal rows
            for chunk in rows_of(site.pk, asked, veil):
                rows += len(chunk)
                yield chunk

        def told() -> None:
            log.info("exported", user=who, site=str(site.pk), rows=rows)

        chunks = counted()
        pieces = Streamed(form(chunks), told)
        headers = {
            "Cache-Control": "private, no-store",
            "Content-Disposition": f'attachment; filename="{self.name}"',
            "X-Accel-Buffering": "no",  # a proxy is not to gather what is streamed
        }
        return StreamingHttpResponse(pieces, content_type=self.content_type, headers=headers)


def shown(media_type: str, form: Callable[[Iterator[list[Row]]], Iterator[str]]) -> OpenApiExample:
    """A table of one row, as the caller gets it."""
    text = "".join(form(iter([[EXAMPLE]])))
    return OpenApiExample("One result", value=text, response_only=True, media_type=media_type)


class ResultsCsv(Export):
    """Results as a table for a spreadsheet: no cell is a formula."""

    content_type = "text/csv; charset=utf-8"
    name = "results.csv"

    @described(
        operation_id="results_csv",
        summary="Export results as CSV",
        description=WORDS,
        parameters=[StudiesQuery],
        responses=answers({(200, "text/csv"): OpenApiTypes.STR}, 400, 404, 503, TooManyExports),
        examples=[shown("text/csv", as_csv)],
    )
    def get(self, request: Request) -> StreamingHttpResponse:
        return self.export(request, as_csv)


class ResultsNdjson(Export):
    """Results as one JSON object a line."""

    content_type = "application/x-ndjson"
    name = "results.ndjson"

    @described(
        operation_id="results_ndjson",
        summary="Export results as NDJSON",
        description=WORDS,
        parameters=[StudiesQuery],
        responses=answers({(200, "application/x-ndjson"): OpenApiTypes.STR}, 400, 404, 503, TooManyExports),
        examples=[shown("application/x-ndjson", as_ndjson)],
    )
    def get(self, request: Request) -> StreamingHttpResponse:
        return self.export(request, as_ndjson)
