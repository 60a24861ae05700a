"""A picture that lies wrong: a reader asks for it turned or inverted, a worker makes it, and it is screened anew.

The picture as it was sent stays, with its own outcome; the corrected one stands in its place where a study is judged.
"""

from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from ml.vocabulary import CORRECTIONS
from screening.audit.actor import Actor
from screening.audit.models import ChainKind
from screening.audit.services import Draft, record
from screening.errors import NothingToCorrect
from screening.flows.again import standing, unfinish
from screening.flows.duplicates import ask_models
from screening.flows.settle import judge_studies, settle_upload
from screening.queue import Call, call_after_commit
from screening.results.models import ScreeningState
from screening.retrying import again_on_conflict
from screening.studies.changes import mark_changed
from screening.studies.models import Image, Study, StudyState
from screening.studies.values import IngestedFile
from screening.uploads.models import Upload

AT_ONCE: Final = 20  # calls in one turn of the reconciler
KNOWN: Final = "picture_known"  # the site holds the same bytes as a picture of somebody else


def corrections_of(image: Image) -> tuple[str, ...]:
    """What may be asked for: nothing, unless the gate said that the picture lies wrong."""
    if image.superseded or image.asked_correction:
        return ()
    return next((told for reason, told in CORRECTIONS.items() if reason == image.not_assessed), ())


def corrections_asked() -> list[UUID]:
    """Pictures whose correction was asked for and is not made."""
    asked = Image.objects.exclude(asked_correction="").exclude(study__state=StudyState.PURGED)
    return list(asked.order_by("pk").values_list("pk", flat=True)[:AT_ONCE])


@again_on_conflict
@transaction.atomic
def ask_correction(*, image_id: UUID, correction: str, actor: Actor) -> Image:
    """Have a corrected picture made and screened.

    Raises:
        NothingToCorrect: the picture does not call for this correction, or it is being made.
        IllegalTransition: the upload was cancelled or purged.
    """
    upload, study, image = _locked(image_id)
    if correction not in corrections_of(image) or study.state == StudyState.PURGED:
        raise NothingToCorrect(_("The picture does not call for this correction."))
    standing(upload.pk)
    image.asked_correction = correction
    image.save(update_fields=["asked_correction"])
    record(actor, [_draft(image, "image:correction_asked", correction=correction)])
    mark_changed([(image.site_id, image.study_id)])
    call_after_commit(Call.CORRECT_PICTURE, image=str(image.pk))
    return image


def record_corrected(*, image_id: UUID, correction: str, sha256: str, file: IngestedFile, actor: Actor) -> bool:
    """Put the corrected picture in the place of the one it was made of, and ask the upload's models about it.

    Its blob must be in its place before. Whether it was recorded: called twice, the second call changes nothing.
    """
    upload_id = _record(image_id, correction, sha256, file, actor)
    if upload_id is not None:
        settle_upload(upload_id)
    return upload_id is not None


@again_on_conflict
@transaction.atomic
def _record(image_id: UUID, correction: str, sha256: str, file: IngestedFile, actor: Actor) -> UUID | None:
    upload, study, image = _locked(image_id)
    if image.asked_correction != correction or study.state == StudyState.PURGED:
        return None
    sent = image.corrects or image
    known = Image.objects.filter(site_id=image.site_id, sha256=sha256, frame=0).first()
    if known is not None and sent.pk not in {known.pk, known.corrects_id}:
        _fail(image, KNOWN, actor)
        return None
    made = known or _made_of(sent, sha256, file)
    of_one = Image.objects.filter(Q(pk=sent.pk) | Q(corrects=sent))
    of_one.exclude(pk=made.pk).update(superseded=True, asked_correction="")
    made.superseded, made.asked_correction = False, ""
    made.save()
    study.revision += 1
    study.modality = made.modality if study.images.filter(superseded=False).count() == 1 else study.modality
    study.save(update_fields=["revision", "modality"])
    rows = ask_models(upload=upload, images=[made], rank=timezone.now().timestamp(), actor=actor)
    detail = {"sha256": sha256, "plane_sha256": made.plane_sha256, "corrects": str(sent.pk), "correction": correction}
    record(actor, [_draft(made, "image:corrected", **detail)])
    judge_studies([study], actor=actor)
    unfinish(upload, actor)
    for lane in sorted({str(row.model_version_id) for row in rows if row.state == ScreeningState.WAITING}):
        call_after_commit(Call.SCREEN_NEXT_BATCH, lane=lane)
    mark_changed([(study.site_id, study.pk)])
    return upload.pk


def _made_of(sent: Image, sha256: str, file: IngestedFile) -> Image:
    [picture] = file.pictures
    return Image(
        site_id=sent.site_id,
        study_id=sent.study_id,
        sha256=sha256,
        kind=file.kind,
        source_name=file.source_name,
        modality=picture.modality,
        view=sent.view,
        rows=picture.rows,
        columns=picture.columns,
        notes=list(picture.notes),
        not_assessed=picture.not_assessed,
        series_uid=sent.series_uid,
        position=sent.position,
        pixels_sha256=file.pixels_sha256,
        plane_sha256=picture.plane_sha256,
        pipeline=file.pipeline,
        facts=dict(file.facts),
        timings=dict(file.timings),
        corrects=sent,
    )


@again_on_conflict
@transaction.atomic
def record_correction_failed(*, image_id: UUID, code: str, actor: Actor) -> None:
    """Say that a correction could not be made; it may be asked for again."""
    _, study, image = _locked(image_id)
    if image.asked_correction and study.state != StudyState.PURGED:
        _fail(image, code, actor)


def _fail(image: Image, code: str, actor: Actor) -> None:
    image.asked_correction = ""
    image.save(update_fields=["asked_correction"])
    record(actor, [_draft(image, "image:correction_failed", code=code)])
    mark_changed([(image.site_id, image.study_id)])


def _locked(image_id: UUID) -> tuple[Upload, Study, Image]:
    """Lock upload, study and picture, in the order in which everybody does."""
    study_id, upload_id = Image.objects.values_list("study_id", "study__upload_id").get(pk=image_id)
    upload = Upload.objects.select_for_update(no_key=True).get(pk=upload_id)
    study = Study.objects.select_for_update().get(pk=study_id)
    return upload, study, Image.objects.select_for_update().get(pk=image_id)


def _draft(image: Image, action: str, **detail: str) -> Draft:
    return Draft(ChainKind.STUDY, image.study_id, image.site_id, action, {"image": str(image.pk), **detail})
