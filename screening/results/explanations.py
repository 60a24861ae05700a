"""Heat maps that workers draw: those that a person waits for first, the others when nothing else is to be done."""

from datetime import timedelta
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from screening import leasing
from screening.leasing import Lease
from screening.results.models import Explanation, ExplanationState
from screening.uploads.models import Item, ItemState

PATIENCE: Final = timedelta(minutes=1)  # for which a map that nobody waits for lets ingest go first
IN_HANDS: Final = (ItemState.RECEIVED, ItemState.DECODING)


def due(*, asked_only: bool = False) -> QuerySet[Explanation]:
    """Maps to be drawn now: asked for by a person, waiting for long, or any while no file waits to be decoded."""
    waiting = Explanation.objects.filter(state=ExplanationState.WAITING)
    if asked_only:
        return waiting.filter(asked_by__isnull=False)
    if Item.objects.filter(state__in=IN_HANDS).exists():
        return waiting.filter(Q(asked_by__isnull=False) | Q(created_at__lt=Now() - PATIENCE))
    return waiting


def next_version(*, asked_only: bool = False) -> UUID | None:
    """The model version of the map that comes next; None if none is due."""
    return due(asked_only=asked_only).order_by("rank", "pk").values_list("model_version_id", flat=True).first()


def claim_explanations(
    *, model_version_id: UUID, limit: int, asked_only: bool = False
) -> tuple[Lease, list[Explanation]]:
    """Lease up to `limit` due maps of one model version, in the order of their rank."""
    waiting = (
        due(asked_only=asked_only)
        .filter(model_version_id=model_version_id)
        .select_related("screening__image", "model_version")
    )
    return leasing.claim(waiting, limit=limit, seconds=settings.CONFIG.lease_seconds, state=ExplanationState.LEASED)


def release_explanations(lease: Lease) -> int:
    """Give leased maps back at once. Counts no attempt."""
    return leasing.give_back(Explanation, lease, state=ExplanationState.WAITING)
