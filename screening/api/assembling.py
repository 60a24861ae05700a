"""Studies with all that belongs to them, read for a whole page in a fixed number of queries."""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from django.urls import reverse

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
    parts = {
        name: read(keys) if fields is None or name in fields else defaultdict(list) for name, read in PARTS.items()
    }
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


def _bare_images(keys: Collection[UUID]) -> Rows:
    found: defaultdict[UUID, list[dict[str, Any]]] = defaultdict(list)
    for image in _in_order(keys):
        found[image.study_id].append(_image(image, []))
    return found


def _in_order(keys: Collection[UUID]) -> list[Image]:
    return list(Image.objects.filter(study__in=keys).order_by("series_uid", "position", "sha256", "frame"))


def _images_of(keys: Sequence[UUID]) -> Rows:
    images = _in_order(keys)
    results = latest_results(Screening.objects.filter(study__in=keys), images)
    found: defaultdict[UUID, list[dict[str, Any]]] = defaultdict(list)
    for image in images:
        found[image.study_id].append(_image(image, results[image.pk]))
    return found


def _series_of(keys: Sequence[UUID]) -> Rows:
    rows = SeriesResult.objects.filter(study__in=keys).select_related("model_version").order_by("pk")
    found: defaultdict[UUID, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        found[row.study_id].append(_series(row))
    return found


def standing_reviews(keys: Sequence[UUID]) -> Rows:
    """Give the answers that no later one supersedes, by study."""
    found: defaultdict[UUID, list[Review]] = defaultdict(list)
    for row in Review.objects.filter(study__in=keys, superseded_by__isnull=True).order_by("created_at", "pk"):
        found[row.study_id].append(row)
    return found


PARTS: Final[Mapping[str, Callable[[Sequence[UUID]], Rows]]] = {
    "images": _images_of,
    "series_results": _series_of,
    "reviews": standing_reviews,
}


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


def _image(image: Image, rows: Sequence[Screening]) -> dict[str, Any]:
    return {
        "image": image.pk,
        "sha256": image.sha256,
        "frame": image.frame,
        "modality": image.modality,
        "view": image.view,
        "rows": image.rows,
        "columns": image.columns,
        "position": image.position,
        "quality": image.notes,
        "preview": reverse("api:preview", args=[image.pk]),
        "heat_maps": reverse("api:heat_maps", args=[image.pk]),
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
