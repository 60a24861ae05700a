"""How a person ends an upload: sealed, it takes no more files; cancelled, it gives up what waits."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone
from django.utils.translation import gettext as _

from screening.audit.actor import Actor
from screening.errors import CountMismatch
from screening.faultpoints import reach
from screening.flows.heirs import heirs_of
from screening.flows.settle import judge_studies, settle_upload
from screening.results.models import PENDING, Screening, ScreeningState
from screening.results.transitions import conclude, hand_over
from screening.retrying import again_on_conflict
from screening.studies.changes import mark_changed
from screening.studies.models import Image, Study, StudyState
from screening.uploads import storage
from screening.uploads.models import (
    PENDING_ARCHIVES,
    PENDING_ITEMS,
    Archive,
    ArchiveState,
    Item,
    ItemState,
    Upload,
    UploadState,
)
from screening.uploads.transitions import ItemMove, move_archive, move_items, move_upload

log = structlog.get_logger(__name__)

AT_ONCE: Final = 200  # rows in one transaction
IDLE_HOURS: Final = 24  # after which an open upload seals itself
SEALER: Final = Actor.service("seal")


def seal_upload(*, upload_id: UUID, count: int | None, actor: Actor) -> Upload:
    """Take no more files. What was offered and never arrived becomes `not_sent`. Sealing twice is one sealing.

    Raises:
        CountMismatch: `count` is not the number of items offered; nothing changed.
        IllegalTransition: the upload was cancelled.
    """
    _drop_and_finish(upload_id, _seal(upload_id, count, actor), actor)
    return Upload.objects.get(pk=upload_id)


def _drop_and_finish(upload_id: UUID, cut_off: Sequence[str], actor: Actor) -> None:
    reach("upload.sealed")
    storage.drop_incoming(cut_off)
    log.info("upload_sealed", upload=str(upload_id))
    finish_sealing(upload_id=upload_id, actor=actor)


@again_on_conflict
@transaction.atomic
def _seal_if_unseen(upload_id: UUID, since: datetime) -> list[str] | None:
    """Seal, unless something came since: between the look for idle uploads and this lock. None: it stays open."""
    upload = Upload.objects.select_for_update().get(pk=upload_id)
    return None if upload.last_seen_at >= since else _seal_locked(upload, None, SEALER)


@again_on_conflict
@transaction.atomic
def _seal(upload_id: UUID, count: int | None, actor: Actor) -> list[str]:
    """Seal. The names of bytes that nobody can continue are returned."""
    return _seal_locked(Upload.objects.select_for_update().get(pk=upload_id), count, actor)


def _seal_locked(upload: Upload, count: int | None, actor: Actor) -> list[str]:
    upload_id = upload.pk
    if upload.state in {UploadState.SEALED, UploadState.FINISHED}:
        return []
    offered = Item.objects.filter(upload_id=upload_id, archive__isnull=True).count()
    if count is not None and count != offered:
        raise CountMismatch(_("%(offered)s files were offered, not %(count)s.") % {"offered": offered, "count": count})
    cut_off = _cancel_archives(upload, (ArchiveState.RECEIVING,), actor)
    move_upload(upload, to=UploadState.SEALED, actor=actor, offered=offered)
    return cut_off


def _cancel_archives(upload: Upload, states: Sequence[ArchiveState], actor: Actor) -> list[str]:
    """Cancel the archives of a locked upload that are in these states. The names of their bytes are returned."""
    archives = list(Archive.objects.select_for_update().filter(upload=upload, state__in=states).order_by("pk"))
    for archive in archives:
        move_archive(archive, to=ArchiveState.CANCELLED, site_id=upload.site_id, actor=actor)
    return [archive.incoming for archive in archives]


def finish_sealing(*, upload_id: UUID, actor: Actor) -> None:
    """Say of what never arrived that it was not sent. Safe to call again, where it was cut off."""
    _in_chunks(upload_id, (ItemState.EXPECTED,), ItemState.NOT_SENT, actor)
    settle_upload(upload_id)


def sealed_with_rows() -> list[UUID]:
    """Sealed uploads with files that never arrived and do not say so yet."""
    expected = Item.objects.filter(upload=OuterRef("pk"), state=ItemState.EXPECTED)
    return list(Upload.objects.filter(Exists(expected), state=UploadState.SEALED).values_list("pk", flat=True))


def seal_idle_uploads() -> int:
    """Seal open uploads without traffic for a day, and those of quiet senders. How many. The reconciler's part."""
    now = timezone.now()
    idle = now - timedelta(hours=IDLE_HOURS)
    quiet = now - timedelta(seconds=settings.CONFIG.quiet_seconds)
    open_ones = Upload.objects.filter(state=UploadState.OPEN)
    own = [(key, idle) for key in open_ones.filter(last_seen_at__lt=idle, intake="").values_list("pk", flat=True)]
    sent = open_ones.filter(last_seen_at__lt=quiet).exclude(intake="").values_list("pk", flat=True)
    return sum(_seal_unseen(upload_id, since) for upload_id, since in [*own, *((key, quiet) for key in sent)])


def _seal_unseen(upload_id: UUID, since: datetime) -> bool:
    cut_off = _seal_if_unseen(upload_id, since)
    if cut_off is None:
        return False
    _drop_and_finish(upload_id, cut_off, SEALER)
    return True


def _in_chunks(upload_id: UUID, states: Sequence[ItemState], to: ItemState, actor: Actor) -> None:
    """Move every item of these states, a few hundred in each transaction."""
    while _move_chunk(upload_id, states, to, actor):
        pass


@again_on_conflict
def _move_chunk(upload_id: UUID, states: Sequence[ItemState], to: ItemState, actor: Actor) -> int:
    with transaction.atomic():
        # Ingest writes rows that name the upload: without `no_key` it would wait here with its items locked.
        upload = Upload.objects.select_for_update(no_key=True).get(pk=upload_id)
        chosen = Item.objects.select_for_update().filter(upload_id=upload_id, state__in=states)
        items = list(chosen.order_by("pk")[:AT_ONCE])
        repeats = _repeats_of(items, upload.site_id)
        # The repeats first: as long as what they repeat is pending, nobody takes the upload for done.
        going = repeats if len(repeats) == AT_ONCE else [*repeats, *items]
        incoming = [item.incoming for item in going]
        move_items([ItemMove(item=item, to=to) for item in going], site_id=upload.site_id, actor=actor)
    storage.drop_incoming(incoming)
    return len(going)


def _repeats_of(items: Sequence[Item], site_id: UUID) -> list[Item]:
    """Duplicates of files that will not come: without these bytes they lead to nothing."""
    stored = Image.objects.filter(site_id=site_id, sha256=OuterRef("sha256"))
    rows = Item.objects.select_for_update(of=("self",)).filter(
        ~Exists(stored), duplicate_of__in=items, state=ItemState.DUPLICATE, study_id__isnull=True
    )
    return list(rows.order_by("pk")[:AT_ONCE])


def cancel_upload(*, upload_id: UUID, actor: Actor) -> Upload:
    """Cancel what waits: files not decoded and pictures not screened. What has an outcome keeps it.

    Raises:
        IllegalTransition: the upload is finished.
    """
    storage.drop_incoming(_cancel(upload_id, actor))
    finish_cancelling(upload_id=upload_id, actor=actor)
    return Upload.objects.get(pk=upload_id)


@again_on_conflict
@transaction.atomic
def _cancel(upload_id: UUID, actor: Actor) -> list[str]:
    """Cancel. The names of archives' bytes that nobody will read are returned."""
    upload = Upload.objects.select_for_update().get(pk=upload_id)
    if upload.state == UploadState.CANCELLED:
        return []
    move_upload(upload, to=UploadState.CANCELLED, actor=actor)
    return _cancel_archives(upload, PENDING_ARCHIVES, actor)


def finish_cancelling(*, upload_id: UUID, actor: Actor) -> None:
    """Cancel the rows of a cancelled upload. Safe to call again: the reconciler goes on where it was cut off."""
    _in_chunks(upload_id, PENDING_ITEMS, ItemState.CANCELLED, actor)
    while _cancel_screenings(upload_id, actor):
        pass
    settle_upload(upload_id)


def cancelled_with_rows() -> list[UUID]:
    """Cancelled uploads that still have rows to cancel, or studies that wait for their files."""
    of_upload = {"upload": OuterRef("pk")}
    owed = (
        Q(Exists(Item.objects.filter(**of_upload, state__in=PENDING_ITEMS)))
        | Q(Exists(Screening.objects.filter(**of_upload, state__in=PENDING)))
        | Q(Exists(Study.objects.filter(**of_upload, state=StudyState.RECEIVING)))
    )
    return list(Upload.objects.filter(owed, state=UploadState.CANCELLED).values_list("pk", flat=True))


@again_on_conflict
@transaction.atomic
def _cancel_screenings(upload_id: UUID, actor: Actor) -> int:
    """Cancel some rows; one that another upload waits for becomes that upload's. How many were looked at."""
    found = Screening.objects.filter(upload_id=upload_id, state__in=PENDING).select_related("image", "model_version")
    chosen = list(found.order_by("pk")[:AT_ONCE])
    heirs = heirs_of(chosen)
    keys = {row.study_id for row in chosen}
    studies = list(Study.objects.select_for_update().filter(pk__in=keys).order_by("pk"))
    rows = list(
        Screening.objects.select_for_update()
        .filter(pk__in=[row.pk for row in chosen], state__in=PENDING)
        .order_by("pk")
    )
    ended = [row for row in rows if row.pk not in heirs]
    hand_over([(row, heirs[row.pk].pk) for row in rows if row.pk in heirs])
    conclude([(row, ScreeningState.CANCELLED) for row in ended], actor=actor)
    judge_studies(studies, actor=actor)
    for upload in {heir.pk: heir for heir in heirs.values()}.values():
        if upload.state == UploadState.FINISHED:
            move_upload(upload, to=UploadState.SEALED, actor=actor)
    mark_changed((row.site_id, row.study_id) for row in ended)
    return len(chosen)
