"""Commit what ingest found out about a chunk of items: outcomes, studies, images and the work they need."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from screening import leasing
from screening.audit.actor import Actor
from screening.audit.services import gathered
from screening.errors import LeaseLost
from screening.faultpoints import reach
from screening.flows.blobs import drop_unneeded
from screening.flows.deidentified import note_headers
from screening.flows.duplicates import queue_missing
from screening.flows.placing import Placed, grouping_of, place_files
from screening.flows.settle import judge_studies, settle_upload
from screening.leasing import Lease
from screening.queue import Call, call_after_commit
from screening.results.models import Screening, ScreeningState
from screening.retrying import again_on_conflict
from screening.studies.changes import Unwritten, mark_changed
from screening.studies.models import Image, Study
from screening.studies.values import ItemOutcome
from screening.uploads import storage
from screening.uploads.leases import bring_uploads
from screening.uploads.models import Item, ItemState
from screening.uploads.transitions import ItemMove, move_items, return_items

MOST_CRASHES = 3  # children killed by one item before it is rejected


@dataclass(slots=True)
class _Sorted:
    """The outcomes of one site's items, sorted by what has to be done."""

    files: list[tuple[Item, ItemOutcome]] = field(default_factory=list)
    known: list[Item] = field(default_factory=list)
    moves: list[ItemMove] = field(default_factory=list)
    again: list[Item] = field(default_factory=list)


def known_files(items: Sequence[Item]) -> set[tuple[UUID, str]]:
    """Site and hash of those items whose bytes their site holds already, so that they need not be decoded."""
    wanted: dict[UUID, set[str]] = defaultdict(set)
    for item in items:
        wanted[item.upload.site_id].add(item.sha256)
    return {
        (site_id, sha256)
        for site_id, hashes in wanted.items()
        for sha256 in Image.objects.filter(site_id=site_id, sha256__in=hashes).values_list("sha256", flat=True)
    }


def record_ingested(*, lease: Lease, outcomes: Sequence[ItemOutcome], actor: Actor) -> None:
    """Write the outcome of leased items, all or none; then delete their raw bytes.

    Blobs must be in their places before. Items whose lease was lost are left alone. An item
    whose bytes the site holds already, or that comes twice in the chunk, becomes a duplicate.

    Raises:
        LeaseLost: no item is held any more; nothing was written.
    """
    done = _commit(lease, {outcome.item_id: outcome for outcome in outcomes}, actor)
    storage.drop_incoming(done.incoming)
    reach("ingest.raw_dropped")
    for site_id, sha256 in done.orphans:
        drop_unneeded(site_id, [sha256])
    for upload_id in done.uploads:
        settle_upload(upload_id)


@dataclass(slots=True)
class _Done:
    uploads: set[UUID] = field(default_factory=set)
    incoming: list[str] = field(default_factory=list)
    orphans: list[tuple[UUID, str]] = field(default_factory=list)


@again_on_conflict
@transaction.atomic
def _commit(lease: Lease, outcomes: Mapping[UUID, ItemOutcome], actor: Actor) -> _Done:
    items = list(leasing.held(Item, lease).filter(pk__in=outcomes).select_for_update().order_by("pk"))
    if not items:
        raise LeaseLost("The lease on this chunk ran out.")
    bring_uploads(items)
    done = _Done(uploads={item.upload_id for item in items})
    before = {item.pk: item.incoming for item in items}
    sites = sorted({item.upload.site_id for item in items})
    works = {pk: _sort(pk, [item for item in items if item.upload.site_id == pk], outcomes) for pk in sites}
    _lock_studies(works)
    changed: list[tuple[UUID, UUID]] = []
    unwritten = Unwritten()
    with gathered():
        for site_id, work in works.items():
            touched = _commit_site(site_id, work, actor, done, unwritten)
            changed += [(site_id, study_id) for study_id in touched]
    done.incoming = [before[item.pk] for item in items if item.done_at and not item.incoming]
    mark_changed(changed, unwritten)
    reach("ingest.recorded")
    return done


def _lock_studies(works: Mapping[UUID, _Sorted]) -> None:
    """Lock the studies that the chunk touches before any row or audit chain of theirs, as everywhere else."""
    wanted = Q()
    for site_id, work in works.items():
        files = [(item, outcome.file) for item, outcome in work.files if outcome.file]
        pictures = Q(sha256__in=[item.sha256 for item in work.known])
        pictures |= Q(instance_uid__in=[file.instance_uid for _, file in files if file.instance_uid])
        known = Image.objects.filter(pictures, site_id=site_id).order_by().values_list("study_id", flat=True)
        wanted |= Q(pk__in=set(known))
        wanted |= Q(site_id=site_id, grouping__in={grouping_of(item, file) for item, file in files})
    list(Study.objects.select_for_update().filter(wanted).order_by("pk").values_list("pk"))


def _commit_site(site_id: UUID, work: _Sorted, actor: Actor, done: _Done, unwritten: Unwritten) -> set[UUID]:
    """Write what became of one site's items. The studies that it touched."""
    placed = place_files(site_id=site_id, files=work.files, actor=actor)
    done.orphans += [(site_id, sha256) for sha256 in placed.orphans]
    known = [*work.known, *placed.known]
    queued = queue_missing(items=known, actor=actor, stands_for=placed.stands_for, brought=placed.brought)
    moves = [*work.moves, *placed.moves, *queued.moves]
    note_headers(work.files, accepted={move.item.pk for move in placed.moves if move.to == ItemState.ACCEPTED})
    move_items(moves, site_id=site_id, actor=actor)
    return_items(work.again)
    touched = placed.studies | queued.studies
    fresh = {pk: study for pk, study in placed.fresh.items() if pk not in queued.studies}
    _judge(touched, fresh, placed.screenings, actor, unwritten)
    _call_lanes(placed, queued.screenings)
    return touched


def _sort(site_id: UUID, items: Sequence[Item], outcomes: Mapping[UUID, ItemOutcome]) -> _Sorted:
    stored = set(
        Image.objects.filter(site_id=site_id, sha256__in=[item.sha256 for item in items]).values_list(
            "sha256", flat=True
        )
    )
    work = _Sorted()
    for item in items:
        outcome = outcomes[item.pk]
        if item.sha256 in stored:
            work.known.append(item)
        elif outcome.crashed:
            _sort_crash(item, work)
        elif outcome.file is not None:
            work.files.append((item, outcome))
        elif outcome.code:
            to = ItemState.FAILED if outcome.retryable else ItemState.REJECTED
            work.moves.append(ItemMove(item=item, to=to, code=outcome.code))
        else:  # it was known a moment ago and has been purged since: decode it after all
            work.again.append(item)
    return work


def _sort_crash(item: Item, work: _Sorted) -> None:
    item.decodes += 1
    if item.decodes >= MOST_CRASHES:
        work.moves.append(ItemMove(item=item, to=ItemState.REJECTED, code="decoder_crashed"))
    else:
        work.again.append(item)


def _judge(
    study_ids: set[UUID],
    fresh: Mapping[UUID, Study],
    planned: Sequence[Screening],
    actor: Actor,
    unwritten: Unwritten,
) -> None:
    """Judge what was touched. Studies that were made just now are seen by nobody else, and need not be read."""
    older = Study.objects.select_for_update().filter(pk__in=study_ids - fresh.keys()).order_by("pk")
    studies = sorted((*older, *fresh.values()), key=lambda study: study.pk)
    judge_studies(studies, actor=actor, known=planned, unwritten=unwritten)


def _call_lanes(placed: Placed, queued: Sequence[Screening]) -> None:
    waiting = [row for row in (*placed.screenings, *queued) if row.state == ScreeningState.WAITING]
    for lane in sorted({str(row.model_version_id) for row in waiting}):
        call_after_commit(Call.SCREEN_NEXT_BATCH, lane=lane)


def record_known(*, lease: Lease, item_ids: Sequence[UUID], actor: Actor) -> None:
    """Record leased items whose bytes the site holds already as duplicates, without decoding."""
    record_ingested(lease=lease, outcomes=[ItemOutcome(item_id=pk) for pk in item_ids], actor=actor)
