"""The receipt as JSON and as CSV. `manage.py screen` and the API write the same."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from ml.vocabulary import DISCLAIMER
from screening.flows.receipt import Counterpart, Hides, ReceiptImage, ReceiptItem, ReceiptResult, hides_nothing, receipt
from screening.uploads.models import Upload
from screening.uploads.receipt import csv_lines


def as_json(item: ReceiptItem, *, with_paths: bool) -> dict[str, Any]:
    """Give an item as plain values. Without paths there is no such key."""
    start: dict[str, Any] = {"path": item.path} if with_paths else {}
    return start | {
        "item": str(item.item),
        "size": item.size,
        "sha256": item.sha256,
        "outcome": item.outcome,
        "code": item.code,
        "message": item.message,
        "what_to_do": item.what_to_do,
        "duplicate_of": _text(item.duplicate_of),
        "study": _text(item.study),
        "external_id": item.external_id,
        "notes": item.notes,
        "replaces": _text(item.replaces.item) if item.replaces else None,
        "replaced_by": _text(item.replaced_by.item) if item.replaced_by else None,
        "images": [_image_json(image) for image in item.images],
    }


def _text(key: UUID | None) -> str | None:
    return str(key) if key else None


def _image_json(image: ReceiptImage) -> dict[str, Any]:
    return {
        "image": str(image.image),
        "frame": image.frame,
        "modality": image.modality,
        "quality": image.quality,
        "results": [result_json(result) for result in image.results],
    }


def result_json(result: ReceiptResult) -> dict[str, Any]:
    """Give a result as plain values."""
    return {name: getattr(result, name) for name in RESULT_FIELDS}


RESULT_FIELDS: Final = tuple(ReceiptResult.__dataclass_fields__)
PATH: Final = ("path",)
COLUMNS: Final = ("size", "sha256", "outcome", "code", "message", "what_to_do", "study", "external_id")
LINKS: Final = ("replaces", "replaced_by", "notes")
IMAGE_COLUMNS: Final = ("image", "frame", "modality", "quality")
RESULT_COLUMNS: Final = ("model", "result", "result_code", "flag", "why", "scores", "thresholds")
RUN_COLUMNS: Final = ("model_sha256", "runtime", "precision", "disclaimer")


def receipt_columns(*, with_paths: bool) -> tuple[str, ...]:
    """Give the header of the receipt as CSV."""
    return (*(PATH if with_paths else ()), *COLUMNS, *LINKS, *IMAGE_COLUMNS, *RESULT_COLUMNS, *RUN_COLUMNS)


def receipt_csv(upload: Upload, *, with_paths: bool, hides: Hides = hides_nothing) -> Iterator[str]:
    """Give the receipt as CSV: one line for each item, picture and model; the disclaimer stands in each."""
    items = receipt(upload, with_paths=with_paths, hides=hides)
    return csv_lines(
        receipt_columns(with_paths=with_paths), (row for item in items for row in csv_rows(item, with_paths=with_paths))
    )


def csv_rows(item: ReceiptItem, *, with_paths: bool) -> Iterator[list[object]]:
    """Give the lines of one item; an item without pictures has one line, too."""
    start: list[object] = [*([item.path] if with_paths else []), *(getattr(item, name) for name in COLUMNS)]
    start += [
        _link(item.replaces, with_paths=with_paths),
        _link(item.replaced_by, with_paths=False),
        " ".join(item.notes),
    ]
    if not item.images:
        yield [*start, *[None] * (len(IMAGE_COLUMNS) + len(RESULT_COLUMNS) + len(RUN_COLUMNS) - 1), DISCLAIMER]
    for image in item.images:
        picture: list[object] = [image.image, image.frame, image.modality, " ".join(image.quality)]
        for result in _or_none(image.results):
            yield [*start, *picture, *_result_cells(result), DISCLAIMER]


def _link(other: Counterpart | None, *, with_paths: bool) -> object:
    """The failure by its path, for whoever sees paths: they sent the correction. What replaced it may be others'."""
    if other is None:
        return None
    return (other.path if with_paths else None) or other.item


def _or_none(results: Sequence[ReceiptResult]) -> Sequence[ReceiptResult | None]:
    return results or (None,)


def _result_cells(result: ReceiptResult | None) -> list[object]:
    if result is None:
        return [None] * (len(RESULT_COLUMNS) + len(RUN_COLUMNS) - 1)
    return [
        result.model,
        result.outcome,
        result.code,
        result.flag,
        result.why,
        _pairs(result.scores),
        _pairs(result.thresholds),
        result.model_sha256,
        result.runtime,
        result.precision,
    ]


def _pairs(values: Mapping[str, float]) -> str:
    return "; ".join(f"{label}={value:.6f}" for label, value in values.items())
