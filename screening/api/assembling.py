"""Studies with all that belongs to them, read for a whole page in a fixed number of queries."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.urls import reverse

from screening.flows.receipt import latest_results, result_of
from screening.results.models import Screening, SeriesResult
from screening.results.selectors import study_word
from screening.review.models import Review
from screening.studies.models import Image, Study


def assembled(studies: Sequence[Study]) -> list[dict[str, Any]]:
    """Give the values of `StudyOut` for each study, in their order."""
    keys = [study.pk for study in studies]
    images = list(Image.objects.filter(study__in=keys).order_by("series_uid", "position", "sha256", "frame"))
    results = latest_results(Screening.objects.filter(study__in=keys), images)
    images_of: defaultdict[UUID, list[dict[str, Any]]] = defaultdict(list)
    for image in images:
        images_of[image.study_id].append(_image(image, results[image.pk]))
    series_of = _by_study(SeriesResult.objects.filter(study__in=keys).select_related("model_version").order_by("pk"))
    standing = Review.objects.filter(study__in=keys, superseded_by__isnull=True)
    reviews_of = _by_study(standing.order_by("created_at", "pk"))
    return [
        _study(study)
        | {
            "images": images_of[study.pk],
            "series_results": [_series(row) for row in series_of[study.pk]],
            "reviews": reviews_of[study.pk],
        }
        for study in studies
    ]


def _by_study(rows: Any) -> defaultdict[UUID, list[Any]]:
    found: defaultdict[UUID, list[Any]] = defaultdict(list)
    for row in rows:
        found[row.study_id].append(row)
    return found


def _study(study: Study) -> dict[str, Any]:
    return {
        "id": study.pk,
        "site": study.site_id,
        "upload": study.upload_id,
        "external_id": study.external_id,
        "modality": study.modality,
        "state": study.state,
        "revision": study.revision,
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
