"""Take back what dead workers held. Called by the reconciler and by idle workers."""

from collections.abc import Iterable
from uuid import UUID

from django.db import transaction

from screening import leasing
from screening.audit.actor import Actor
from screening.faultpoints import reach
from screening.flows.settle import judge_studies, settle_upload
from screening.results.explaining import move_explanations
from screening.results.models import Explanation, ExplanationState, Screening, ScreeningState
from screening.results.transitions import conclude, put_back
from screening.retrying import again_on_conflict
from screening.studies.changes import mark_changed
from screening.studies.models import Study
from screening.uploads import storage
from screening.uploads.models import Archive, ArchiveState, Item, ItemState
from screening.uploads.transitions import ItemMove, move_archive, move_items, return_items

RECLAIMER = Actor.service("reclaim")
AT_ONCE = 200
MOST_WORKER_DEATHS = 5  # with one item before it is given up as failed


def reclaim_expired() -> int:
    """Free every row whose lease ran out; quarantine those that ended a worker twice alone. How many rows."""
    return _reclaim_screenings() + _reclaim_items() + _reclaim_archives() + _reclaim_explanations()


@again_on_conflict
def _reclaim_screenings() -> int:
    with transaction.atomic():
        late = leasing.expired(Screening).order_by("pk")
        suspects = late.filter(computing=True, alone=True).values_list("study_id", flat=True)[:AT_ONCE]
        _lock_studies(list(suspects))  # before their rows, as everywhere else
        rows = list(late.select_for_update(skip_locked=True)[:AT_ONCE])
        poison = leasing.reclaim(rows)
        put_back([row for row in rows if row not in poison])
        if poison:
            _quarantine(poison)
        if rows:
            reach("reclaim.freed")
    for upload_id in {row.upload_id for row in poison}:
        settle_upload(upload_id)
    return len(rows)


def _quarantine(poison: list[Screening]) -> None:
    conclude([(row, ScreeningState.QUARANTINED) for row in poison], actor=RECLAIMER)
    judge_studies(_lock_studies(row.study_id for row in poison), actor=RECLAIMER)
    mark_changed((row.site_id, row.study_id) for row in poison)


def _lock_studies(keys: Iterable[UUID]) -> list[Study]:
    return list(Study.objects.select_for_update().filter(pk__in=set(keys)).order_by("pk"))


@again_on_conflict
def _reclaim_items() -> int:
    with transaction.atomic():
        late = leasing.expired(Item).select_related("upload").order_by("pk")
        rows = list(late.select_for_update(skip_locked=True, of=("self",))[:AT_ONCE])
        back = leasing.back_since() if rows else None
        for row in rows:
            row.deaths += leasing.died(row, back)
        hopeless = [row for row in rows if row.deaths >= MOST_WORKER_DEATHS]
        return_items([row for row in rows if row not in hopeless])
        for site_id in sorted({row.upload.site_id for row in hopeless}):
            moves = [
                ItemMove(item=row, to=ItemState.FAILED, code="interrupted")
                for row in hopeless
                if row.upload.site_id == site_id
            ]
            move_items(moves, site_id=site_id, actor=RECLAIMER)
    for upload_id in {row.upload_id for row in hopeless}:
        settle_upload(upload_id)
    return len(rows)


@again_on_conflict
def _reclaim_archives() -> int:
    with transaction.atomic():
        late = leasing.expired(Archive).select_related("upload").order_by("pk")
        rows = list(late.select_for_update(skip_locked=True, of=("self",))[:AT_ONCE])
        back = leasing.back_since() if rows else None
        for row in rows:
            deaths = row.deaths + (not leasing.excused(row, back))
            to = ArchiveState.REJECTED if deaths >= MOST_WORKER_DEATHS else ArchiveState.RECEIVED
            code = "archive_unreadable" if to == ArchiveState.REJECTED else ""
            Archive.objects.filter(pk=row.pk).update(deaths=deaths, attempts=row.attempts)
            move_archive(row, to=to, site_id=row.upload.site_id, actor=RECLAIMER, code=code)
    storage.drop_incoming(row.incoming for row in rows if row.state == ArchiveState.REJECTED)
    return len(rows)


@again_on_conflict
@transaction.atomic
def _reclaim_explanations() -> int:
    rows = list(leasing.expired(Explanation).order_by("pk").select_for_update(skip_locked=True)[:AT_ONCE])
    poison = leasing.reclaim(rows)
    for row in poison:
        row.code = "quarantined"
    move_explanations([(row, _after_death(row, poison)) for row in rows])
    return len(rows)


def _after_death(row: Explanation, poison: list[Explanation]) -> ExplanationState:
    return ExplanationState.FAILED if row in poison else ExplanationState.WAITING
