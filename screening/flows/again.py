"""What a person asks of an upload once more: to try again what failed, and to ask further models."""

from collections.abc import Sequence
from typing import Final, TypeVar
from uuid import UUID

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from screening.audit.actor import Actor
from screening.audit.models import ChainKind
from screening.audit.services import Draft, record
from screening.errors import IllegalTransition
from screening.flows.acts import AT_ONCE
from screening.flows.duplicates import settle_duplicates
from screening.flows.owed import is_screening, unasked
from screening.flows.settle import judge_studies, settle_upload, upload_has_pending_files
from screening.queue import Call, call_after_commit
from screening.results.models import Screening, ScreeningState
from screening.results.selectors import chosen_models
from screening.results.transitions import requeue
from screening.retrying import again_on_conflict
from screening.studies.changes import mark_changed
from screening.studies.models import Study
from screening.uploads.models import Item, ItemState, Upload, UploadState
from screening.uploads.transitions import ItemMove, move_items, move_upload

Key = TypeVar("Key", UUID, str)
BROKEN: Final = (ScreeningState.FAILED, ScreeningState.QUARANTINED)
ASKER: Final = Actor.service("ask")


def retry_upload(*, upload_id: UUID, actor: Actor) -> int:
    """Try again what failed and is retryable: files whose bytes are still there, and screenings. How many.

    What has failed when it is called, each once, a few hundred rows in a transaction.

    Raises:
        IllegalTransition: the upload was cancelled or purged.
    """
    failed = Item.objects.filter(upload_id=upload_id, state=ItemState.FAILED).exclude(incoming="")
    broken = Screening.objects.filter(upload_id=upload_id, state__in=BROKEN)
    items, rows = (list(found.order_by("pk").values_list("pk", flat=True)) for found in (failed, broken))
    _reopen(upload_id, actor)
    number = sum(_retry_items(upload_id, chunk, actor) for chunk in _chunks(items))
    number += sum(_retry_screenings(upload_id, chunk, actor) for chunk in _chunks(rows))
    settle_upload(upload_id)
    return number


@again_on_conflict
@transaction.atomic
def _retry_items(upload_id: UUID, keys: Sequence[UUID], actor: Actor) -> int:
    upload = standing(upload_id)
    failed = Item.objects.select_for_update().filter(pk__in=keys, state=ItemState.FAILED).exclude(incoming="")
    items = list(failed.order_by("pk"))
    move_items([ItemMove(item=item, to=ItemState.RECEIVED) for item in items], site_id=upload.site_id, actor=actor)
    unfinish(upload, actor)
    if items:
        call_after_commit(Call.INGEST_NEXT_BATCH)
    return len(items)


@again_on_conflict
@transaction.atomic
def _retry_screenings(upload_id: UUID, keys: Sequence[UUID], actor: Actor) -> int:
    upload = standing(upload_id)
    broken = Screening.objects.filter(pk__in=keys, upload_id=upload_id, state__in=BROKEN)
    studies = list(Study.objects.select_for_update().filter(pk__in=broken.values("study_id")).order_by("pk"))
    rows = list(broken.select_for_update().order_by("pk"))
    requeue(rows, upload_id=upload_id, actor=actor)
    judge_studies(studies, actor=actor)
    unfinish(upload, actor)
    for lane in sorted({str(row.model_version_id) for row in rows}):
        call_after_commit(Call.SCREEN_NEXT_BATCH, lane=lane)
    mark_changed((upload.site_id, row.study_id) for row in rows)
    return len(rows)


def rescreen_upload(*, upload_id: UUID, models: Sequence[str], actor: Actor) -> int:
    """Ask further models about the pictures of an upload, duplicates included. How many screenings that made.

    Nothing is decoded again, and no result is overwritten. The choice is written first; cut off
    while it asks, the reconciler goes on, and until then the upload is not finished.

    Raises:
        UnknownModel: a name that is not registered or not active; nothing changed.
        IllegalTransition: the upload was cancelled or purged; nothing changed.
    """
    site_id = Upload.objects.values_list("site_id", flat=True).get(pk=upload_id)
    _choose(upload_id, [version.name for version in chosen_models(models, site_id=site_id)], actor)
    made = _ask(upload_id, actor)
    settle_upload(upload_id)
    return made


@again_on_conflict
@transaction.atomic
def _choose(upload_id: UUID, names: Sequence[str], actor: Actor) -> None:
    upload = standing(upload_id)
    upload.models_chosen = sorted({*upload.models_chosen, *names})
    upload.save(update_fields=["models_chosen"])
    record(actor, [Draft(ChainKind.UPLOAD, upload.pk, upload.site_id, "upload:rescreened", {"models": list(names)})])
    unfinish(upload, actor)


def _ask(upload_id: UUID, actor: Actor) -> int:
    hashes, rank = unasked(Upload.objects.get(pk=upload_id)), timezone.now().timestamp()
    return sum(
        settle_duplicates(upload_id=upload_id, hashes=chunk, rank=rank, actor=actor) for chunk in _chunks(hashes)
    )


def ask_again() -> int:
    """Ask what was left unasked, for uploads that wait for nothing else. How many screenings. The reconciler's part."""
    sealed = Upload.objects.filter(state=UploadState.SEALED).values_list("pk", flat=True)
    idle = [pk for pk in list(sealed) if not upload_has_pending_files(pk) and not is_screening(pk)]
    return sum(_ask(pk, ASKER) for pk in idle)


@again_on_conflict
@transaction.atomic
def _reopen(upload_id: UUID, actor: Actor) -> None:
    unfinish(standing(upload_id), actor)


def standing(upload_id: UUID) -> Upload:
    """Lock an upload that takes further work.

    Raises:
        IllegalTransition: it was cancelled or purged.
    """
    upload = Upload.objects.select_for_update(no_key=True).get(pk=upload_id)
    if upload.state == UploadState.CANCELLED or upload.purged_at:
        raise IllegalTransition(_("The upload was cancelled or purged."))
    return upload


def unfinish(upload: Upload, actor: Actor) -> None:
    """Reopen a locked upload for what was put into it. Its audit chain is locked after every other row."""
    if upload.state == UploadState.FINISHED:
        move_upload(upload, to=UploadState.SEALED, actor=actor)


def _chunks(keys: Sequence[Key]) -> list[Sequence[Key]]:
    return [keys[start : start + AT_ONCE] for start in range(0, len(keys), AT_ONCE)]
