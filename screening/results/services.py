"""Register models and ask for screenings."""

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from ml.vocabulary import Modality, NotAssessed
from screening.errors import BadBundle
from screening.results.models import ModelVersion, OperatingPoint, Screening, ScreeningState
from screening.studies.models import Image
from screening.studies.values import JSON
from screening.users.models import User


@transaction.atomic
def register_model(*, card: JSON, folder: str) -> ModelVersion:
    """Register a verified bundle with its shipped operating points. Safe to call again.

    One that somebody retired stays retired until somebody activates it.

    Raises:
        BadBundle: the version is registered with other weights; a version never changes.
    """
    known = ModelVersion.objects.filter(slug=card["slug"], version=card["version"]).first()
    if known is not None:
        if known.sha256 != card["model_sha256"]:
            raise BadBundle(f"{known.name} is registered with other weights.")
        # A corrected card, or a bundle that was moved, or that is there again.
        active = known.retired_at is None
        if (known.folder, known.card, known.active) != (folder, card, active):
            known.folder, known.card, known.active = folder, card, active
            known.save(update_fields=["folder", "card", "active"])
        return known
    version = ModelVersion.objects.create(
        slug=card["slug"],
        version=card["version"],
        title=card["title"],
        modality=card["modality"],
        labels=card["labels"],
        flag_labels=card["flag_labels"],
        card=card,
        sha256=card["model_sha256"],
        folder=folder,
    )
    OperatingPoint.objects.bulk_create(
        OperatingPoint(model_version=version, label=label, value=point["value"])
        for label, point in card["operating_points"].items()
    )
    return version


def thresholds_of(*, site_ids: Iterable[UUID], version: ModelVersion) -> dict[UUID, dict[str, float]]:
    """For each site, the value of every flag-raising label: the site's own, else as shipped."""
    wanted = list(site_ids)
    rows = OperatingPoint.objects.filter(model_version=version, label__in=version.flag_labels)
    rows = rows.filter(Q(site__isnull=True) | Q(site_id__in=wanted)).order_by("valid_from", "pk")
    shipped = {row.label: row.value for row in rows if row.site_id is None}
    return {site_id: shipped | {row.label: row.value for row in rows if row.site_id == site_id} for site_id in wanted}


def set_point(
    *, site_id: UUID, version: ModelVersion, label: str, value: float, proposed_by: User, approved_by: User
) -> OperatingPoint:
    """Make a value the operating point for what a site screens from now on, in the caller's transaction.

    Nothing that was screened changes. The caller has made sure that two people wanted it.
    """
    return OperatingPoint.objects.create(
        site_id=site_id,
        model_version=version,
        label=label,
        value=value,
        proposed_by=proposed_by,
        approved_by=approved_by,
    )


def plan(
    *,
    image: Image,
    upload_id: UUID,
    versions: Sequence[ModelVersion],
    rank: float,
    taken: frozenset[UUID] = frozenset(),
) -> list[Screening]:
    """The screenings that an image needs, unsaved: one per chosen model made for its modality.

    A model never runs on another modality. An image that no chosen model is made for, or
    that cannot be assessed at all, gets rows that say so, without waiting for a worker.
    """
    fitting = [version for version in versions if version.modality == image.modality]
    code = image.not_assessed or ("" if fitting else _unfit(image))
    return [
        Screening(
            site_id=image.site_id,
            upload_id=upload_id,
            study_id=image.study_id,
            image=image,
            model_version=version,
            pipeline=image.pipeline_now,
            state=ScreeningState.INCONCLUSIVE if code else ScreeningState.WAITING,
            code=code,
            rank=rank,
        )
        for version in (fitting or versions)
        if version.pk not in taken
    ]


def _unfit(image: Image) -> str:
    return NotAssessed.NOT_CHEST if image.modality == Modality.UNKNOWN else NotAssessed.WRONG_MODALITY


def flags_raised(scores: Mapping[str, float], thresholds: Mapping[str, float]) -> list[str]:
    """Labels whose score is at or above their operating point."""
    return [label for label, value in thresholds.items() if scores.get(label, 0.0) >= value]
