"""Bring studies and uploads to the state that their rows call for. Safe to call at any time, by anyone."""

from collections.abc import Iterable, Sequence
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from screening.audit.actor import Actor
from screening.faultpoints import reach
from screening.flows.explained import owe_explanations
from screening.flows.judging import is_newly_flagged, judge, rows_of
from screening.flows.naming import name_left
from screening.flows.owed import is_screening, unasked
from screening.flows.reviewed import make_due
from screening.flows.sampling import draw_samples
from screening.prepared import Prepared
from screening.results.models import Screening
from screening.retrying import again_on_conflict
from screening.studies.changes import Unwritten, mark_changed
from screening.studies.models import Study, StudyState
from screening.studies.transitions import move_studies
from screening.uploads.models import PENDING_ARCHIVES, PENDING_ITEMS, Archive, Item, Upload, UploadState
from screening.uploads.transitions import move_upload

SETTLER = Actor.service("settle")
_AT_ONCE = 200  # studies in one transaction


def judge_studies(
    studies: Sequence[Study], *, actor: Actor, known: Sequence[Screening] = (), unwritten: Unwritten | None = None
) -> list[UUID]:
    """Move locked studies to where their screenings put them, in the caller's transaction.

    `known` are rows of theirs that the caller has just written, with their images. The identifiers of those that
    changed are returned; the caller marks them last, and hands on what was left in `unwritten`.
    """
    rows = rows_of(studies, known)
    arriving = _uploads_still_arriving(study for study in studies if not study.grouping.startswith("file:"))
    live = [study for study in studies if study.state != StudyState.PURGED]
    judged = [(study, judge(study, rows[study.pk], still_arriving=study.upload_id in arriving)) for study in live]
    owe_explanations([lead for _, one in judged for lead in one.leads])
    make_due([study for study, one in judged if is_newly_flagged(study, one.fate)])
    complete = {study.pk for study in live if study.completed_at is not None}
    changed = set(move_studies([(study, one.fate) for study, one in judged], actor=actor, unwritten=unwritten))
    draw_samples([study for study in live if study.pk in changed], open_before=complete, actor=actor)
    return list(changed)


def _uploads_still_arriving(studies: Iterable[Study]) -> set[UUID]:
    uploads = {study.upload_id for study in studies}
    return set(_ARRIVING(sorted(uploads))) if uploads else set()


_ARRIVING: Final = Prepared(  # of some uploads those whose files are on their way
    lambda uploads: (
        Upload.objects.filter(
            Q(state=UploadState.OPEN)
            | Exists(Item.objects.filter(upload=OuterRef("pk"), state__in=PENDING_ITEMS))
            | Exists(Archive.objects.filter(upload=OuterRef("pk"), state__in=PENDING_ARCHIVES)),
            pk__in=uploads,
        )
        .order_by()
        .values_list("pk", flat=True)
    )
)


@again_on_conflict
@transaction.atomic
def settle_studies(study_ids: Sequence[UUID]) -> int:
    """Lock these studies and bring each to its state. How many changed."""
    studies = list(Study.objects.select_for_update().filter(pk__in=study_ids).order_by("pk"))
    changed = set(judge_studies(studies, actor=SETTLER))
    mark_changed((study.site_id, study.pk) for study in studies if study.pk in changed)
    return len(changed)


def settle_upload(upload_id: UUID) -> bool:
    """Judge the studies that waited for the upload's last file, then finish it if everything is terminal.

    Whether it is finished. Called after every commit of a batch, so it asks little: studies
    whose files have arrived are judged by the transactions that write their results.
    """
    if upload_has_pending_files(upload_id):
        return False
    keys = _WAITED(upload_id)
    for start in range(0, len(keys), _AT_ONCE):
        settle_studies(keys[start : start + _AT_ONCE])
    if is_screening(upload_id):
        return False
    upload = Upload.objects.get(pk=upload_id)
    if upload.state == UploadState.SEALED:
        if unasked(upload):
            return False
        name_left(upload, SETTLER)
    return _finish(upload_id, upload.models_chosen)


def upload_has_pending_files(upload_id: UUID) -> bool:
    """Whether files of an upload are still on their way."""
    return bool(_ARRIVING([upload_id]))


_WAITED: Final = Prepared(  # for the last file
    lambda upload_id: (
        Study.objects.filter(upload_id=upload_id, state=StudyState.RECEIVING)
        .order_by("pk")
        .values_list("pk", flat=True)
    )
)


@again_on_conflict
@transaction.atomic
def _finish(upload_id: UUID, models_asked: Sequence[str]) -> bool:
    upload = Upload.objects.select_for_update().get(pk=upload_id)
    if upload.state != UploadState.SEALED:
        return upload.state == UploadState.FINISHED
    if upload.models_chosen != models_asked or upload_has_pending_files(upload_id) or is_screening(upload_id):
        return False
    move_upload(upload, to=UploadState.FINISHED, actor=SETTLER)
    reach("settle.finished")
    return True


def settle_all() -> int:
    """Settle every sealed upload. How many were finished by it. The reconciler's part."""
    sealed = Upload.objects.filter(state=UploadState.SEALED).values_list("pk", flat=True)
    return sum(settle_upload(pk) for pk in list(sealed))
