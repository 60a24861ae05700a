"""Screenings that inference workers take, one lane per model version."""

from typing import Final
from uuid import UUID

from django.conf import settings

from screening import leasing
from screening.leasing import Lease
from screening.results.models import ModelVersion, Screening, ScreeningState

MOST_ROWS: Final = 64  # in one lease and one commit; the model takes as many at once as it is fastest with


def rows_of_a_lease() -> int:
    """How many screenings a worker leases and commits together at most."""
    return settings.CONFIG.batch_size or MOST_ROWS


def claim_batch(*, model_version_id: UUID, limit: int) -> tuple[Lease, list[Screening]]:
    """Lease up to `limit` waiting screenings of a lane, across uploads, in the order of their rank."""
    waiting = Screening.objects.filter(model_version_id=model_version_id, state=ScreeningState.WAITING).select_related(
        "image"
    )
    return leasing.claim(waiting, limit=limit, seconds=settings.CONFIG.lease_seconds, state=ScreeningState.LEASED)


def release_batch(lease: Lease) -> int:
    """Give a leased batch back at once: a worker that is asked to stop. Counts no attempt."""
    return leasing.give_back(Screening, lease, state=ScreeningState.WAITING)


def lanes_with_work() -> list[UUID]:
    """Model versions for which screenings wait."""
    lanes = ModelVersion.objects.order_by("pk").values_list("pk", flat=True)
    return [
        lane for lane in lanes if Screening.objects.filter(model_version_id=lane, state=ScreeningState.WAITING).exists()
    ]
