"""Results as rows of a table: one for each study, picture and model. Read a few hundred studies at a time.

However many rows there are, only those of one chunk are in memory, and no transaction or cursor of the database is
held between two chunks: a chunk begins where the last one ended in the order of changes.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from django.db.models import Count

from ml.vocabulary import DISCLAIMER
from screening.api.asking import Asked, place_of, studies_asked_for
from screening.api.assembling import standing_reviews
from screening.api.derived import derived
from screening.flows.receipt import ReceiptResult, latest_results, result_of
from screening.results.models import Screening
from screening.results.selectors import study_word
from screening.review.blinding import Veil
from screening.review.models import Review
from screening.studies.models import Image, Study
from screening.uploads.receipt import csv_lines

AT_ONCE: Final = 200  # studies
PICTURES: Final = 400  # whose results are in memory together
STUDY_COLUMNS: Final = ("study", "upload", "external_id", "study_state", "study_flag", "change_number")
IMAGE_COLUMNS: Final = ("image", "frame", "modality", "view", "quality")
RESULT_COLUMNS: Final = ("model", "outcome", "code", "flag", "why", "scores", "thresholds", "model_sha256")
RUN_COLUMNS: Final = ("runtime", "precision")
COLUMNS: Final = (
    *STUDY_COLUMNS,
    *IMAGE_COLUMNS,
    *RESULT_COLUMNS,
    *RUN_COLUMNS,
    *("review", "cursor", "disclaimer"),
)
Row = dict[str, Any]
NO_RESULT: Final[Row] = dict.fromkeys((*RESULT_COLUMNS, *RUN_COLUMNS))
NO_IMAGE: Final[Row] = dict.fromkeys(IMAGE_COLUMNS) | NO_RESULT
NOTHING: Final[Row] = dict.fromkeys(COLUMNS) | {"disclaimer": DISCLAIMER}


def rows_of(site_id: UUID, asked: Asked, veil: Veil) -> Iterator[list[Row]]:
    """Give the rows of the studies that fit, a chunk at a time, until none has changed after the last one.

    A study that changes meanwhile stands again further down, with a higher change number. What the reader is still
    to answer blindly is left out: every row tells what a model said.
    """
    while studies := list(studies_asked_for(site_id, asked, veil).exclude(veil.over)[:AT_ONCE]):
        for group in _groups(studies):
            yield from _chunks(group)
        asked = asked | {"cursor": place_of(studies[-1])}


def as_csv(chunks: Iterator[list[Row]]) -> Iterator[str]:
    """Give the table as CSV: a header, then a piece of text for each chunk.

    One without results has a row that holds the disclaimer alone: it stands in every table.
    """
    first = next(chunks, [NOTHING])
    yield "".join(csv_lines(COLUMNS, (_cells(row) for row in first)))
    for rows in chunks:
        yield "".join(list(csv_lines(COLUMNS, (_cells(row) for row in rows)))[1:])


def as_ndjson(chunks: Iterator[list[Row]]) -> Iterator[str]:
    """Give one JSON object a line, a piece of text for each chunk."""
    for rows in chunks:
        yield "".join(f"{json.dumps(row, ensure_ascii=False, default=str)}\n" for row in rows)


def _cells(row: Row) -> list[object]:
    return [_text(value) for value in row.values()]


def _text(value: object) -> object:
    if isinstance(value, dict):
        return "; ".join(f"{name}={_number(part)}" for name, part in value.items())
    return " ".join(map(str, value)) if isinstance(value, list) else value


def _number(value: object) -> str:
    return f"{value:.6f}" if isinstance(value, float) else str(value)


def _groups(studies: Sequence[Study]) -> Iterator[list[Study]]:
    """Put studies together that have a few hundred pictures between them, in their order; a larger one stands alone."""
    held = Image.objects.filter(study__in=[study.pk for study in studies]).order_by().values_list("study")
    pictures = dict(held.annotate(pictures=Count("pk")))
    group: list[Study] = []
    size = 0
    for study in studies:
        if group and size + pictures.get(study.pk, 0) > PICTURES:
            yield group
            group, size = [], 0
        group.append(study)
        size += pictures.get(study.pk, 0)
    if group:
        yield group


def _chunks(studies: Sequence[Study]) -> Iterator[list[Row]]:
    """Give the rows of a few studies; of one that has more pictures, a few hundred at a time."""
    keys = [study.pk for study in studies]
    reviews = standing_reviews(keys)
    order = ("series_uid", "position", "sha256", "frame")
    wanted = list(Image.objects.filter(study__in=keys).order_by(*order).values_list("pk", flat=True))
    if len(wanted) > PICTURES and len(studies) > 1:  # pictures have come since they were counted
        for study in studies:
            yield from _chunks([study])
        return
    parts = [wanted[at : at + PICTURES] for at in range(0, len(wanted), PICTURES)] or [[]]
    for part in parts:
        images = list(Image.objects.filter(pk__in=part).order_by(*order))
        rows = _rows(studies, images, reviews)
        if part is parts[-1]:
            _close(studies, rows)
        yield rows


def _rows(studies: Sequence[Study], images: Sequence[Image], reviews: Mapping[UUID, Sequence[Review]]) -> list[Row]:
    results = latest_results(Screening.objects.filter(image__in=[image.pk for image in images]), images)
    images_of: defaultdict[UUID, list[Image]] = defaultdict(list)
    for image in images:
        images_of[image.study_id].append(image)
    rows: list[Row] = []
    for study in studies:
        of_study, end = _study(study), {"review": derived(reviews[study.pk]), "cursor": None, "disclaimer": DISCLAIMER}
        for image in images_of[study.pk]:
            shown = of_study | _image(image)
            rows += [shown | result | end for result in _results(results[image.pk])]
        if not images_of[study.pk]:
            rows.append(of_study | NO_IMAGE | end)
    return rows


def _close(studies: Sequence[Study], rows: list[Row]) -> None:
    """Put its cursor on the last row of each study: whoever was cut off goes on after the last one that is whole."""
    last = {row["study"]: row for row in rows}
    for study in studies:
        last[str(study.pk)]["cursor"] = place_of(study)


def _study(study: Study) -> Row:
    return {
        "study": str(study.pk),
        "upload": str(study.upload_id),
        "external_id": study.external_id,
        "study_state": study.state,
        "study_flag": study_word(study),
        "change_number": study.change_number,
    }


def _image(image: Image) -> Row:
    return {
        "image": str(image.pk),
        "frame": image.frame,
        "modality": image.modality,
        "view": image.view,
        "quality": image.notes,
    }


def _results(rows: Sequence[Screening]) -> list[Row]:
    return [_result(result_of(row)) for row in rows] or [NO_RESULT]


def _result(result: ReceiptResult) -> Row:
    return {name: getattr(result, name) for name in (*RESULT_COLUMNS, *RUN_COLUMNS)}
