"""Two uploads may wait for one screening: when the one that asked is cancelled, the other keeps it."""

from collections.abc import Sequence
from uuid import UUID

from django.db.models import F, Q

from screening.flows.owed import KEPT
from screening.results.models import Screening
from screening.uploads.models import Item, ItemState, Upload, UploadState


def heirs_of(rows: Sequence[Screening]) -> dict[UUID, Upload]:
    """For each row of a cancelled upload that another one waits for: that upload, locked in the caller's transaction.

    The rows are of one upload; their pictures and models are at hand.
    """
    if not rows:
        return {}
    holding = _holding(rows)
    wanted = {upload_id for uploads in holding.values() for upload_id in uploads}
    live = Upload.objects.select_for_update(no_key=True).filter(pk__in=wanted).exclude(state=UploadState.CANCELLED)
    uploads = {upload.pk: upload for upload in live.order_by("pk")}
    heirs: dict[UUID, Upload] = {}
    for row in rows:
        able = [uploads[pk] for pk in sorted(holding.get(row.image.sha256, ())) if pk in uploads]
        for upload in able:
            if row.model_version.name in upload.models_chosen:
                heirs.setdefault(row.pk, upload)
    return heirs


def _holding(rows: Sequence[Screening]) -> dict[str, set[UUID]]:
    """For each hash, the other uploads of the site whose receipt names its picture and may wait for it."""
    hashes = {row.image.sha256 for row in rows}
    # An upload that was finished before a row was made has never waited for it.
    waits = Q(state__in=(UploadState.OPEN, UploadState.SEALED)) | Q(
        state=UploadState.FINISHED, finished_at__gte=min(row.created_at for row in rows)
    )
    others = Upload.objects.filter(waits, site_id=rows[0].site_id).exclude(pk=rows[0].upload_id)
    items = Item.objects.filter(upload__in=list(others.values_list("pk", flat=True)), state__in=KEPT)
    repeats = items.filter(state=ItemState.DUPLICATE, duplicate_of__sha256__in=hashes)
    pairs = [
        *items.filter(sha256__in=hashes).values_list("sha256", "upload_id"),
        *repeats.exclude(duplicate_of__sha256=F("sha256")).values_list("duplicate_of__sha256", "upload_id"),
    ]
    holding: dict[str, set[UUID]] = {}
    for sha256, upload_id in pairs:
        holding.setdefault(sha256, set()).add(upload_id)
    return holding
