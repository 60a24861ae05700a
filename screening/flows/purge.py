"""Delete what was sent by mistake: bytes, paths and results go; a tombstone and an event stay."""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from screening.audit.actor import Actor
from screening.audit.models import ChainKind
from screening.audit.services import Draft, record
from screening.faultpoints import reach
from screening.flows.acts import AT_ONCE, cancel_upload
from screening.flows.blobs import drop_unneeded
from screening.flows.documents import drop_documents
from screening.flows.settle import judge_studies
from screening.results.models import Explanation, Screening, SeriesResult
from screening.retrying import again_on_conflict
from screening.studies.changes import mark_changed
from screening.studies.models import Image, Study, StudyState
from screening.studies.transitions import StudyFate, move_studies
from screening.uploads import storage
from screening.uploads.models import Item, ItemState, Reference, Upload, UploadState

PURGED_PATH = ""


def purge_upload(*, upload_id: UUID, actor: Actor) -> Upload:
    """Purge an upload and every picture that it brought; a study goes with its last one. Safe to call again.

    What still waits is cancelled first. Pictures that other uploads brought to the same studies stay.
    """
    upload = Upload.objects.get(pk=upload_id)
    if upload.state in {UploadState.OPEN, UploadState.SEALED}:
        cancel_upload(upload_id=upload_id, actor=actor)
    brought = Item.objects.filter(upload_id=upload_id, state=ItemState.ACCEPTED).values("study_id")
    keys = list(Study.objects.filter(pk__in=brought).exclude(state=StudyState.PURGED).values_list("pk", flat=True))
    for start in range(0, len(keys), AT_ONCE):
        _purge(keys[start : start + AT_ONCE], actor, upload_id)
    storage.drop_incoming(_forget(upload_id, actor) or [])
    upload.refresh_from_db()
    return upload


def purge_study(*, study_id: UUID, actor: Actor) -> None:
    """Purge one study: its pictures, screenings and the paths that led to it."""
    _purge([study_id], actor, None)


@dataclass(frozen=True, slots=True)
class Grounds:
    """Why studies go by themselves: asked again of locked rows, since much may have happened after they were chosen."""

    still: Callable[[Sequence[UUID]], Collection[UUID]]  # of these studies, those that are to go
    told: Mapping[str, object]  # on the chain of each


def purge_studies(*, study_ids: Sequence[UUID], actor: Actor, grounds: Grounds) -> int:
    """Purge those of some studies for which the grounds still hold, in one transaction. How many. Safe to repeat."""
    return _purge(study_ids, actor, None, grounds)


def forget_upload(*, upload_id: UUID, actor: Actor) -> bool:
    """Forget paths and name of an upload that is over and of which no study is left. Whether it was."""
    incoming = _forget(upload_id, actor, only_if_empty=True)
    storage.drop_incoming(incoming or [])
    return incoming is not None


def is_empty() -> Q:
    """Of uploads: those that are over, and of whose files no study is kept."""
    live = Study.objects.filter(pk=OuterRef("study_id")).exclude(state=StudyState.PURGED)
    kept = Item.objects.filter(Exists(live), upload=OuterRef("pk"), study_id__isnull=False)
    return Q(~Exists(kept), state__in=(UploadState.FINISHED, UploadState.CANCELLED), purged_at__isnull=True)


def _purge(study_ids: Sequence[UUID], actor: Actor, upload_id: UUID | None, grounds: Grounds | None = None) -> int:
    gone = _purge_rows(study_ids, actor, upload_id, grounds)
    reach("purge.rows_gone")
    for site_id, hashes in gone.files.items():
        drop_unneeded(site_id, hashes)
    drop_documents(study_ids)
    return gone.studies


class Gone(NamedTuple):
    studies: int  # that were looked at and had pictures deleted
    files: dict[UUID, set[str]]  # by site: hashes of their files


@again_on_conflict
@transaction.atomic
def _purge_rows(study_ids: Sequence[UUID], actor: Actor, upload_id: UUID | None, grounds: Grounds | None) -> Gone:
    """Delete the pictures of these studies, or those that one upload brought."""
    live = Study.objects.select_for_update().filter(pk__in=study_ids).exclude(state=StudyState.PURGED)
    studies = list(live.order_by("pk"))
    if grounds is not None:
        still = set(grounds.still([study.pk for study in studies]))
        studies = [study for study in studies if study.pk in still]
    doomed = Image.objects.filter(study__in=studies)
    if upload_id is not None:
        items = Item.objects.filter(upload_id=upload_id, state=ItemState.ACCEPTED)
        sent = Exists(items.filter(study_id=OuterRef("study_id"), sha256=OuterRef("sha256")))
        # What was made of a picture goes with it.
        made = Exists(items.filter(study_id=OuterRef("study_id"), sha256=OuterRef("corrects__sha256")))
        doomed = doomed.filter(sent | made)
    files = list(doomed.order_by().values_list("study_id", "sha256"))
    list(Screening.with_trials.select_for_update().filter(image__in=doomed).order_by("pk").values_list("pk"))
    Explanation.objects.filter(screening__image__in=doomed).delete()
    Screening.with_trials.filter(image__in=doomed).delete()
    SeriesResult.objects.filter(study__in=studies).delete()
    doomed.delete()
    left = set(Image.objects.filter(study__in=studies).order_by().values_list("study_id", flat=True))
    _end([study for study in studies if study.pk not in left], files, actor, grounds.told if grounds else {})
    _reduce([study for study in studies if study.pk in left], files, actor)
    mark_changed((study.site_id, study.pk) for study in studies)
    gone: dict[UUID, set[str]] = {study.site_id: set() for study in studies}
    site_of = {study.pk: study.site_id for study in studies}
    for study_id, sha256 in files:
        gone[site_of[study_id]].add(sha256)
    return Gone(len(studies), gone)


Files = Sequence[tuple[UUID, str]]  # by picture: its study, and the hash of its file


def _end(studies: Sequence[Study], files: Files, actor: Actor, told: Mapping[str, object]) -> None:
    """Make tombstones of locked studies that have no picture left."""
    number = Counter(study_id for study_id, _ in files)
    drafts = [
        Draft(ChainKind.STUDY, s.pk, s.site_id, "study:deleted", {"images": number[s.pk], **told}) for s in studies
    ]
    record(actor, drafts)
    fate = StudyFate(to=StudyState.PURGED, flagged=False, not_assessed=False)
    move_studies([(study, fate) for study in studies], actor=actor)
    keys = [study.pk for study in studies]
    Item.objects.filter(study_id__in=keys).update(path=PURGED_PATH)
    Study.objects.filter(pk__in=keys).update(
        patient=None, external_id=None, reference_label="", purged_at=timezone.now()
    )


def _reduce(studies: Sequence[Study], files: Files, actor: Actor) -> None:
    """Judge locked studies by the pictures that other uploads brought."""
    hashes: dict[UUID, set[str]] = defaultdict(set)
    for study_id, sha256 in files:
        hashes[study_id].add(sha256)
    for study in studies:
        Item.objects.filter(study_id=study.pk, sha256__in=hashes[study.pk]).update(path=PURGED_PATH)
        kept = Item.objects.filter(study_id=study.pk, state=ItemState.ACCEPTED).exclude(path=PURGED_PATH)
        last = kept.order_by("-done_at").values_list("upload_id", flat=True).first()
        if last is not None and last != study.upload_id:
            study.upload_id = last
            study.save(update_fields=["upload"])
    record(
        actor,
        [
            Draft(ChainKind.STUDY, s.pk, s.site_id, "study:pictures_deleted", {"files": len(hashes[s.pk])})
            for s in studies
        ],
    )
    judge_studies(studies, actor=actor)


@again_on_conflict
@transaction.atomic
def _forget(upload_id: UUID, actor: Actor, *, only_if_empty: bool = False) -> list[str] | None:
    """Forget an upload's name and paths; the names of bytes that nobody needs. None: it is not empty, and stays."""
    upload = Upload.objects.select_for_update().get(pk=upload_id)
    if only_if_empty and not Upload.objects.filter(is_empty(), pk=upload_id).exists():
        return None
    if upload.purged_at:
        return []
    items = Item.objects.filter(upload_id=upload_id)
    incoming = list(items.exclude(incoming="").values_list("incoming", flat=True))
    incoming += upload.archives.values_list("incoming", flat=True)
    items.update(path=PURGED_PATH, incoming="")
    Reference.objects.filter(upload_id=upload_id).delete()
    upload.name, upload.purged_at = "", timezone.now()
    upload.save(update_fields=["name", "purged_at"])
    record(actor, [Draft(ChainKind.UPLOAD, upload.pk, upload.site_id, "upload:purged", {})])
    return incoming
