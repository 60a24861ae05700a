"""Studies with all that belongs to them, read for a whole page in a fixed number of queries."""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from ml.vocabulary import PIPELINES
from screening.addresses import addresses
from screening.flows.receipt import latest_results, result_of
from screening.results.models import Screening, SeriesResult
from screening.results.selectors import study_word
from screening.review.blinding import Veil
from screening.review.models import Review
from screening.studies.models import Image, Study, StudyState

HIDDEN: Final = {"hidden": True, "flag": None, "flagged": None, "not_assessed": None}


def assembled(studies: Sequence[Study], veil: Veil, fields: Collection[str] | None = None) -> list[dict[str, Any]]:
    """Give the values of `StudyOut` for each study, in their order. No part is read that `fields` leaves out.

    Of one that the veil hides no result and no answer is read: what is not read cannot leak.
    """
    hidden = veil.hides(study.pk for study in studies)
    keys = [study.pk for study in studies if study.pk not in hidden]
    parts = _parts(keys, PARTS if fields is None else fields)
    bare = _bare_images(hidden) if hidden and (fields is None or "images" in fields) else {}
    return [
        _study(study)
        | {name: rows[study.pk] for name, rows in parts.items()}
        | (HIDDEN | {"state": _plain_state(study), "images": bare.get(study.pk, [])} if study.pk in hidden else {})
        for study in studies
    ]


def _plain_state(study: Study) -> str:
    """Give the state of a hidden study: that a picture was not assessed is said by the gate, which is a model."""
    return StudyState.READY if study.state == StudyState.INCOMPLETE else study.state


Rows = Mapping[UUID, Sequence[Any]]
Ways = Mapping[str, Callable[[UUID], str]]  # from a picture's key to what can be had of it


def _bare_images(keys: Collection[UUID]) -> Rows:
    found: defaultdict[UUID, list[dict[str, Any]]] = defaultdict(list)
    ways = _ways()
    for image in _in_order(keys):
        found[image.study_id].append(_image(image, [], ways))
    return found


def _in_order(keys: Collection[UUID]) -> list[Image]:
    images = Image.objects.filter(study__in=keys).defer("facts", "timings")
    return list(images.order_by("series_uid", "position", "sha256", "frame"))


def _images_of(keys: Sequence[UUID]) -> Rows:
    images = _in_order(keys)
    results = latest_results(Screening.objects.filter(study__in=keys), images)
    found: defaultdict[UUID, list[dict[str, Any]]] = defaultdict(list)
    ways = _ways()
    for image in images:
        found[image.study_id].append(_image(image, results[image.pk], ways))
    return found


def _series_of(keys: Sequence[UUID]) -> Rows:
    """For each series, one row a model: at the present pipeline, else the last one before it. As for pictures."""
    latest: dict[tuple[UUID, str, UUID], SeriesResult] = {}
    for row in SeriesResult.objects.filter(study__in=keys).select_related("model_version").order_by("pk"):
        key = (row.study_id, row.series_uid, row.model_version_id)
        if key not in latest or latest[key].pipeline not in PIPELINES:
            latest[key] = row
    found: defaultdict[UUID, list[dict[str, Any]]] = defaultdict(list)
    for row in latest.values():
        found[row.study_id].append(_series(row))
    return found


def standing_reviews(keys: Sequence[UUID]) -> Rows:
    """Give the answers that no later one supersedes, by study."""
    found: defaultdict[UUID, list[Review]] = defaultdict(list)
    for row in Review.objects.filter(study__in=keys, superseded_by__isnull=True).order_by("created_at", "pk"):
        found[row.study_id].append(row)
    return found


PARTS: Final = ("images", "series_results", "reviews")


def _parts(keys: Sequence[UUID], wanted: Collection[str]) -> dict[str, Rows]:
    """Read the parts that are wanted. A series has several pictures: none is asked for where each study has one."""
    parts: dict[str, Rows] = {name: defaultdict(list) for name in PARTS}
    scanned = keys
    if "images" in wanted:
        parts["images"] = images = _images_of(keys)
        scanned = [key for key in keys if len(images[key]) > 1]
    if "series_results" in wanted:
        parts["series_results"] = _series_of(scanned)
    if "reviews" in wanted:
        parts["reviews"] = standing_reviews(keys)
    return parts


def _study(study: Study) -> dict[str, Any]:
    return {
        "id": study.pk,
        "site": study.site_id,
        "upload": study.upload_id,
        "external_id": study.external_id,
        "modality": study.modality,
        "state": study.state,
        "revision": study.revision,
        "hidden": False,
        "flag": study_word(study),
        "flagged": study.flagged,
        "not_assessed": study.not_assessed,
        "change_number": study.change_number,
        "created_at": study.created_at,
        "completed_at": study.completed_at,
        "purged_at": study.purged_at,
    }


def _ways() -> Ways:
    return {"preview": addresses("api:preview"), "heat_maps": addresses("api:heat_maps")}


def _image(image: Image, rows: Sequence[Screening], ways: Ways) -> dict[str, Any]:
    return {name: address(image.pk) for name, address in ways.items()} | {
        "image": image.pk,
        "sha256": image.sha256,
        "frame": image.frame,
        "modality": image.modality,
        "view": image.view,
        "rows": image.rows,
        "columns": image.columns,
        "position": image.position,
        "quality": image.notes,
        "results": [result_of(row) for row in rows],
    }


def _series(row: SeriesResult) -> dict[str, Any]:
    return {
        "model": row.model_version.name,
        "series": row.series_uid,
        "outcome": row.outcome,
        "code": row.code or None,
        "slices": row.slices,
        "scores": row.scores,
        "thresholds": row.thresholds,
        "flagged": row.flagged,
    }
