"""Screenings that inference workers take, one lane per model version."""

from typing import Final
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet

from screening import leasing
from screening.leasing import Lease
from screening.results.models import ModelVersion, Screening, ScreeningState
from screening.uploads.ranks import in_a_hurry

# No model: `manage.py make_sandbox` says its scores, and no worker looks for its bundle.
SCRIPTED: Final = "sandbox-script"
# What a worker asks of a row that it leased, and of its picture.
NEEDED: Final = (
    "upload_id",
    "image_id",
    "alone",
    "image__site_id",
    "image__sha256",
    "image__frame",
    "image__source_name",
    "image__plane_sha256",
    "image__pipeline",
)
MOST_ROWS: Final = 128  # in one lease and one commit; the model takes as many at once as it is fastest with


def rows_of_a_lease() -> int:
    """How many screenings a worker leases and commits together at most."""
    return settings.CONFIG.batch_size or MOST_ROWS


def claim_batch(*, model_version_id: UUID, limit: int, urgent: bool | None = None) -> tuple[Lease, list[Screening]]:
    """Lease up to `limit` waiting screenings of a lane, by rank; or of its urgent ones, or the others, alone."""
    waiting = _waiting(model_version_id, urgent=urgent).select_related("image").only(*NEEDED)
    return leasing.claim(waiting, limit=limit, seconds=settings.CONFIG.lease_seconds, state=ScreeningState.LEASED)


def release_batch(lease: Lease) -> int:
    """Give a leased batch back at once: a worker that is asked to stop. Counts no attempt."""
    return leasing.give_back(Screening, lease, state=ScreeningState.WAITING)


def lanes_with_work(*, urgent: bool | None = None) -> list[UUID]:
    """Model versions for which screenings wait, or urgent ones, or others."""
    lanes = ModelVersion.objects.exclude(slug=SCRIPTED).order_by("pk").values_list("pk", flat=True)
    return [lane for lane in lanes if _waiting(lane, urgent=urgent).exists()]


def _waiting(lane: UUID, *, urgent: bool | None) -> QuerySet[Screening]:
    state = ScreeningState.WAITING
    return Screening.with_trials.filter(in_a_hurry(urgent=urgent), model_version_id=lane, state=state)
