"""Bytes that a site holds already: nothing is stored or decoded again, only missing models are asked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from uuid import UUID

from django.db import transaction

from ml.vocabulary import PIPELINES
from screening.audit.actor import Actor
from screening.audit.services import record
from screening.flows.settle import judge_studies
from screening.queue import Call, call_after_commit
from screening.results.models import Screening, ScreeningState
from screening.results.selectors import still_active
from screening.results.services import plan
from screening.results.transitions import outcome_draft, requeue
from screening.retrying import again_on_conflict
from screening.studies.changes import mark_changed
from screening.studies.models import Image, Study
from screening.uploads.models import Item, ItemState, Upload
from screening.uploads.transitions import ItemMove
from screening.upserting import insert_rows


@dataclass(slots=True)
class Queued:
    """What duplicates brought about, for the caller's transaction to finish."""

    moves: list[ItemMove] = field(default_factory=list)
    screenings: list[Screening] = field(default_factory=list)
    studies: set[UUID] = field(default_factory=set)


def queue_missing(
    *,
    items: Sequence[Item],
    actor: Actor,
    stands_for: Mapping[UUID, str] = MappingProxyType({}),
    brought: Mapping[str, UUID] = MappingProxyType({}),
) -> Queued:
    """Plan what the chosen models have not said yet about stored images, in the caller's transaction.

    Args:
        items: Of one site; each becomes a duplicate.
        actor: Who brings it about.
        stands_for: By item, the hash that its picture is kept under, where that is not its own.
        brought: By hash, items that brought a picture in this transaction.
    """
    queued = Queued()
    if not items:
        return queued
    site_id = items[0].upload.site_id
    hash_of = {item.pk: stands_for.get(item.pk, item.sha256) for item in items}
    hashes = set(hash_of.values())
    images = list(Image.objects.filter(site_id=site_id, sha256__in=hashes).order_by("sha256", "frame"))
    first = {**_first_items(site_id, hashes), **brought}
    study_of = {image.sha256: image.study_id for image in images}
    by_upload: dict[UUID, list[Item]] = {}
    for item in items:
        by_upload.setdefault(item.upload_id, []).append(item)
        kept = hash_of[item.pk]
        queued.moves.append(
            ItemMove(item=item, to=ItemState.DUPLICATE, study_id=study_of.get(kept), duplicate_of_id=first.get(kept))
        )
    for ours in by_upload.values():
        wanted = {hash_of[item.pk] for item in ours}
        rank = min(item.rank for item in ours)
        rows = ask_models(
            upload=ours[0].upload, images=[i for i in images if i.sha256 in wanted], rank=rank, actor=actor
        )
        queued.screenings += rows
        queued.studies |= {row.study_id for row in rows}
    return queued


def _first_items(site_id: UUID, hashes: set[str]) -> dict[str, UUID]:
    """For each hash, the item that first brought it to the site."""
    rows = Item.objects.filter(upload__site_id=site_id, sha256__in=hashes, state=ItemState.ACCEPTED)
    return dict(rows.order_by("-created_at").values_list("sha256", "pk"))


def ask_models(*, upload: Upload, images: Sequence[Image], rank: float, actor: Actor) -> list[Screening]:
    """Make the screenings that the upload's models lack on these images; requeue those that were cancelled.

    In the caller's transaction. For a retired version the newest of its slug is asked, if there is one.
    """
    versions = still_active(upload.models_chosen)
    existing = list(
        Screening.objects.select_for_update()
        .filter(image__in=images, model_version__in=versions, pipeline__in=PIPELINES)
        .order_by("pk")
    )
    taken: dict[UUID, set[UUID]] = {}
    for row in existing:
        taken.setdefault(row.image_id, set()).add(row.model_version_id)
    fresh = [
        row
        for image in images
        if not _settled_otherwise(image, taken, versions_of=[v.pk for v in versions])
        for row in plan(
            image=image,
            upload_id=upload.pk,
            versions=versions,
            rank=rank,
            taken=frozenset(taken.get(image.pk, ())),
        )
    ]
    insert_rows(fresh)
    record(actor, [outcome_draft(row) for row in fresh if row.state == ScreeningState.INCONCLUSIVE])
    again = [row for row in existing if row.state == ScreeningState.CANCELLED]
    requeue(again, upload_id=upload.pk, actor=actor)
    return [*fresh, *again]


def _settled_otherwise(image: Image, taken: dict[UUID, set[UUID]], *, versions_of: Sequence[UUID]) -> bool:
    """Whether every chosen model has its row for this image already."""
    return set(versions_of) <= taken.get(image.pk, set())


@again_on_conflict
@transaction.atomic
def settle_duplicates(*, upload_id: UUID, hashes: Sequence[str], rank: float, actor: Actor) -> int:
    """Ask the upload's models about stored files that were offered again. How many screenings that queued.

    The items themselves are written as `duplicate` by the caller.
    """
    upload = Upload.objects.get(pk=upload_id)
    images = list(Image.objects.filter(site_id=upload.site_id, sha256__in=hashes).order_by("sha256", "frame"))
    studies = list(Study.objects.select_for_update().filter(pk__in={image.study_id for image in images}).order_by("pk"))
    rows = ask_models(upload=upload, images=images, rank=rank, actor=actor)
    touched = {row.study_id for row in rows}
    judge_studies([study for study in studies if study.pk in touched], actor=actor)
    for lane in sorted({str(row.model_version_id) for row in rows if row.state == ScreeningState.WAITING}):
        call_after_commit(Call.SCREEN_NEXT_BATCH, lane=lane)
    mark_changed((upload.site_id, study_id) for study_id in touched)
    return len(rows)
