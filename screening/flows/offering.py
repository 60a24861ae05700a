"""Open an upload, and tell a client which of its files the service lacks."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

import structlog
from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from screening.audit.actor import Actor
from screening.audit.models import ChainKind
from screening.audit.services import Draft, record
from screening.errors import KeyReused, LimitExceeded, NotCorrectable, UploadClosed
from screening.flows.duplicates import settle_duplicates
from screening.flows.offers import Checked, Offer, Offered, decide, prepare, with_originals
from screening.flows.preflight import Preflight, preflight
from screening.flows.replacing import name_replaced
from screening.results.selectors import chosen_models
from screening.retrying import again_on_conflict
from screening.uploads.models import ChosenModality, GroupBy, Item, Priority, Upload, UploadState
from screening.uploads.ranks import next_ranks
from screening.uploads.transitions import move_items
from screening.upserting import insert_rows
from screening.users.models import Site, User

__all__ = ["Checked", "Offered", "Preflight", "check_files", "open_upload", "preflight"]

log = structlog.get_logger(__name__)

MOST_OFFERED: Final = 1000  # files in one check
AT_ONCE: Final = 500  # rows in one transaction
HASHES_AT_ONCE: Final = 200  # known files whose missing models are queued in one transaction


def open_upload(  # noqa: PLR0913 - what a person chooses on one page
    *,
    site: Site,
    user: User,
    name: str,
    models: Sequence[str],
    modality: str = ChosenModality.AUTO,
    priority: str = Priority.NORMAL,
    group_by: str = GroupBy.AUTO,
    idempotency_key: str | None = None,
    quick: bool = False,
    intake: str = "",
    corrects: Upload | None = None,
) -> Upload:
    """Open an upload; with a key that came before, give the upload that it opened; for an intake, the open one.

    Whoever calls has made sure that the user may upload at the site. No model named means
    of every active one that is a default the version that the site screens with; which those are is fixed now.
    With `corrects`, its files are held against the failures of that upload.

    Raises:
        UnknownModel: a model that is not registered or not active.
        KeyReused: the key came before with another request; nothing changed.
        NotCorrectable: the upload to correct is of another site, or was purged.
    """
    if corrects is not None and (corrects.site_id != site.pk or corrects.purged_at):
        raise NotCorrectable(_("The upload whose files are corrected is not there."))
    wanted = Upload(
        site=site,
        created_by=user,
        name=name,
        models_asked=list(models),
        modality=modality,
        priority=priority,
        group_by=group_by,
        quick=quick,
        idempotency_key=idempotency_key,
        intake=intake,
        corrects=corrects,
    )
    if (known := _known(wanted)) is not None:
        return known
    wanted.models_chosen = [version.name for version in chosen_models(models, site_id=site.pk)]
    upload = _open(wanted)
    if upload is wanted:
        log.info("upload_opened", upload=str(upload.pk))
    return upload


@again_on_conflict
def _open(wanted: Upload) -> Upload:
    """Two requests with one key at the same moment: the second insert fails, and finds the first one's row."""
    if (known := _known(wanted)) is not None:
        return known
    with transaction.atomic():
        wanted.save(force_insert=True)
        detail = {
            "models": wanted.models_chosen,
            "modality": wanted.modality,
            "priority": wanted.priority,
            "group_by": wanted.group_by,
        } | ({"corrects": str(wanted.corrects_id)} if wanted.corrects_id else {})
        draft = Draft(ChainKind.UPLOAD, wanted.pk, wanted.site_id, "upload:opened", detail)
        record(Actor.user(wanted.created_by), [draft])
    return wanted


def _known(wanted: Upload) -> Upload | None:
    """Give the upload that the same request opened before: by its key, or the open one of its intake.

    Which models are the site's defaults may have changed since: what was asked is compared, not what came of it.
    """
    if wanted.idempotency_key is not None:
        same_key = Upload.objects.filter(
            site_id=wanted.site_id, created_by_id=wanted.created_by_id, idempotency_key=wanted.idempotency_key
        )
        known = same_key.select_related("site").first()
        if known is not None:
            return _same(known, wanted)
    if wanted.intake:
        open_ones = Upload.objects.filter(site=wanted.site, created_by=wanted.created_by, state=UploadState.OPEN)
        return open_ones.filter(intake=wanted.intake).first()
    return None


ASKED: Final = ("name", "models_asked", "modality", "priority", "group_by", "quick", "corrects_id")


def _same(known: Upload, wanted: Upload) -> Upload:
    compared = [column for column in ASKED if column != "models_asked" or known.models_asked is not None]
    differing = [column for column in compared if getattr(known, column) != getattr(wanted, column)]
    if differing and not known.purged_at:
        raise KeyReused(
            _("This Idempotency-Key opened an upload with another value of: %(names)s.")
            % {"names": ", ".join(differing)}
        )
    return known


def check_files(*, upload_id: UUID, files: Sequence[Offered], actor: Actor | None = None) -> list[Checked]:
    """Offer files: for each, in the order given, whether its bytes are needed. Safe to call again.

    Every file becomes an item, also one that is refused, except one whose path was offered
    before with other bytes: a path names one item.

    Raises:
        UploadClosed: the upload takes no more files; nothing changed.
        LimitExceeded: too many in one call or in the upload; nothing changed.
    """
    upload = Upload.objects.select_related("created_by").get(pk=upload_id)
    _require_open(upload)
    offers = [prepare(file, settings.CONFIG.limits.file_bytes) for file in files]
    _require_room(upload, offers)
    who = actor or Actor.user(upload.created_by)
    checked: list[Checked] = []
    for start in range(0, len(offers), AT_ONCE):
        checked += _check_chunk(upload, offers[start : start + AT_ONCE], who)
    return checked


def _require_open(upload: Upload) -> None:
    if upload.state != UploadState.OPEN:
        raise UploadClosed(_("This upload is %(state)s.") % {"state": _(upload.state)})


def _require_room(upload: Upload, offers: Sequence[Offer]) -> None:
    if len(offers) > MOST_OFFERED:
        raise LimitExceeded(
            _("%(n)s files were offered at once; at most %(most)s are taken.")
            % {"n": len(offers), "most": MOST_OFFERED}
        )
    most = settings.CONFIG.limits.files
    before = Item.objects.filter(upload=upload).count()
    if before + len(offers) <= most:
        return
    again = Item.objects.filter(upload=upload, path_digest__in=[offer.digest for offer in offers]).count()
    if before + len({offer.digest for offer in offers}) - again > most:
        raise LimitExceeded(_("An upload takes at most %(most)s files.") % {"most": most})


@again_on_conflict
def _check_chunk(upload: Upload, offers: Sequence[Offer], actor: Actor) -> list[Checked]:
    """Everything is read before the transaction; a path that another lane took meanwhile fails its insert."""
    ranks = next_ranks(upload, timezone.now())
    plan = decide(upload, offers, ranks)
    moves = with_originals(plan.moves, upload.site_id)
    name_replaced(upload, plan.fresh)
    _queue_known(upload, sorted(plan.known), next(ranks), actor)
    with transaction.atomic():
        _require_open(Upload.objects.select_for_update().get(pk=upload.pk))
        insert_rows(plan.fresh)
        move_items(moves, site_id=upload.site_id, actor=actor)
        Upload.objects.filter(pk=upload.pk).update(last_seen_at=timezone.now())
    return plan.answers


def _queue_known(upload: Upload, hashes: Sequence[str], rank: float, actor: Actor) -> None:
    """Ask the missing models before the items are written: cut off between the two, the next check does it again."""
    for start in range(0, len(hashes), HASHES_AT_ONCE):
        chunk = hashes[start : start + HASHES_AT_ONCE]
        settle_duplicates(upload_id=upload.pk, hashes=chunk, rank=rank, actor=actor)
