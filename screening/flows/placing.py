"""Place decoded files: find or make patient and study, make images, and plan their screenings."""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from uuid import UUID

from ml.vocabulary import Modality
from screening.audit.actor import Actor
from screening.audit.models import ChainKind
from screening.audit.services import Draft, record
from screening.flows.naming import name_studies
from screening.results.models import ModelVersion, Screening, ScreeningState
from screening.results.selectors import still_active
from screening.results.services import plan
from screening.results.transitions import outcome_draft
from screening.studies.models import Image, Patient, Study, StudyState
from screening.studies.values import IngestedFile, IngestedPicture, ItemOutcome
from screening.uploads.models import ChosenModality, GroupBy, Item, ItemState
from screening.uploads.transitions import ItemMove
from screening.upserting import insert_rows
from screening.users.keys import site_key

Files = Sequence[tuple[Item, ItemOutcome]]
UID_CONFLICT = "uid_conflict"


@dataclass(slots=True)
class Placed:
    """What placing brought about, for the caller's transaction to finish."""

    moves: list[ItemMove] = field(default_factory=list)
    screenings: list[Screening] = field(default_factory=list)
    studies: set[UUID] = field(default_factory=set)
    fresh: dict[UUID, Study] = field(default_factory=dict)  # of those: the ones that were made, as they stand
    orphans: list[str] = field(default_factory=list)  # hashes whose blobs nothing refers to
    known: list[Item] = field(default_factory=list)  # of pictures that the site holds already, or now
    stands_for: dict[UUID, str] = field(default_factory=dict)  # of those: the hash that the picture is kept under
    brought: dict[str, UUID] = field(default_factory=dict)  # by hash: the item that brought it just now


@dataclass(slots=True, kw_only=True)
class _Part:
    """One file on its way to its study."""

    item: Item
    file: IngestedFile
    grouping: str


def place_files(*, site_id: UUID, files: Files, actor: Actor) -> Placed:
    """Make everything that decoded files of one site need, in the caller's transaction."""
    placed = Placed()
    if not files:
        return placed
    parts = _without_repeats(site_id, files, placed)
    known, fresh, named = _studies_for(site_id, parts, actor)
    studies = {study.grouping: study for study in (*known, *fresh)}
    placed.fresh = {study.pk: study for study in fresh}
    images = [image for part in parts for image in _images_of(part, studies[part.grouping])]
    insert_rows(images)
    placed.screenings = _plan_screenings(parts, images)
    insert_rows(placed.screenings)
    drafts = [*named, *(_image_draft(image) for image in images)]
    drafts += [outcome_draft(row) for row in placed.screenings if row.state == ScreeningState.INCONCLUSIVE]
    record(actor, drafts)
    placed.moves += [
        ItemMove(item=part.item, to=ItemState.ACCEPTED, study_id=studies[part.grouping].pk) for part in parts
    ]
    placed.studies |= {study.pk for study in studies.values()}
    return placed


def _without_repeats(site_id: UUID, files: Files, placed: Placed) -> list[_Part]:
    """Leave out bytes that come twice in the chunk, and instances whose UID names another picture already."""
    named = _named_instances(site_id, files)
    parts: list[_Part] = []
    for item, outcome in files:
        file = outcome.file
        if file is None:
            continue
        if item.sha256 in placed.brought:
            placed.known.append(item)
            continue
        if file.instance_uid in named:
            _same_uid(item, file, named[file.instance_uid], placed)
            continue
        if file.instance_uid:
            named[file.instance_uid] = (file.pixels_sha256, item.sha256)
        placed.brought[item.sha256] = item.pk
        parts.append(_Part(item=item, file=file, grouping=grouping_of(item, file)))
    return parts


def _named_instances(site_id: UUID, files: Files) -> dict[str | None, tuple[str, str]]:
    """For each instance UID that the site holds: the hashes of its pixels and of its file."""
    uids = [outcome.file.instance_uid for _, outcome in files if outcome.file and outcome.file.instance_uid]
    held = Image.objects.filter(site_id=site_id, instance_uid__in=uids, frame=0)
    return {
        uid: (pixels, sha256) for uid, pixels, sha256 in held.values_list("instance_uid", "pixels_sha256", "sha256")
    }


def _same_uid(item: Item, file: IngestedFile, named: tuple[str, str], placed: Placed) -> None:
    """The same UID with the same pixels is a duplicate under another header; with others, a conflict."""
    pixels, sha256 = named
    placed.orphans.append(item.sha256)
    if file.pixels_sha256 == pixels:
        placed.known.append(item)
        placed.stands_for[item.pk] = sha256
    else:
        placed.moves.append(ItemMove(item=item, to=ItemState.REJECTED, code=UID_CONFLICT))


def grouping_of(item: Item, file: IngestedFile) -> str:
    """Which study a file belongs to. Plain pictures are a study each unless folders were chosen."""
    if file.study_uid:
        return f"uid:{file.study_uid}"
    upload = item.upload
    by_folder = upload.group_by == GroupBy.FOLDER or (
        upload.group_by == GroupBy.AUTO and upload.modality == ChosenModality.CT
    )
    folder = str(PurePosixPath(item.path).parent)
    if not by_folder or folder == ".":
        return f"file:{item.sha256}"
    digest = hmac.new(site_key(upload.site_id), f"{upload.pk}\n{folder}".encode(), hashlib.sha256)
    return f"folder:{digest.hexdigest()}"


def _studies_for(site_id: UUID, parts: Sequence[_Part], actor: Actor) -> tuple[list[Study], list[Study], list[Draft]]:
    """Find or make the studies of these files. Those that were there, those that were made, and how any were named."""
    together: dict[str, list[_Part]] = {}
    for part in parts:
        together.setdefault(part.grouping, []).append(part)
    live = Study.objects.exclude(state=StudyState.PURGED).filter(site_id=site_id, grouping__in=together)
    known = {study.grouping: study for study in live.select_for_update().order_by("pk")}
    for study in known.values():
        _reopen(study, together[study.grouping], actor)
    patients = _patients_for(site_id, parts)
    fresh = [
        Study(
            site_id=site_id,
            patient_id=patients.get(group[0].file.patient),
            upload_id=group[0].item.upload_id,
            grouping=grouping,
            modality=_modality_of(group),
        )
        for grouping, group in together.items()
        if grouping not in known
    ]
    named = name_studies(
        [(study, [part.item for part in together[study.grouping]]) for study in (*known.values(), *fresh)]
    )
    insert_rows(fresh)
    for study in known.values():
        study.save(update_fields=["upload", "revision", "modality", "external_id", "reference_label"])
    return list(known.values()), fresh, named


def _modality_of(parts: Sequence[_Part]) -> str:
    """What a study is of: a dose report or another stray picture does not decide."""
    said = [picture.modality for part in parts for picture in part.file.pictures]
    return next((modality for modality in said if modality != Modality.UNKNOWN), said[0])


def _patients_for(site_id: UUID, parts: Sequence[_Part]) -> dict[str, UUID]:
    names = sorted({part.file.patient for part in parts if part.file.patient})
    if not names:
        return {}
    Patient.objects.bulk_create([Patient(site_id=site_id, pseudonym=name) for name in names], ignore_conflicts=True)
    return dict(Patient.objects.filter(site_id=site_id, pseudonym__in=names).values_list("pseudonym", "pk"))


def _reopen(study: Study, parts: Sequence[_Part], actor: Actor) -> None:
    """A late picture makes a new revision: earlier answers cover the pictures of theirs. The caller saves."""
    study.upload_id = parts[0].item.upload_id
    if study.modality == Modality.UNKNOWN:
        study.modality = _modality_of(parts)
    if study.state in {StudyState.READY, StudyState.INCOMPLETE, StudyState.REVIEWED}:
        study.revision += 1
        detail = {"revision": study.revision}
        record(actor, [Draft(ChainKind.STUDY, study.pk, study.site_id, "study:reopened", detail)])


def _images_of(part: _Part, study: Study) -> list[Image]:
    return [_image(part, study, picture) for picture in part.file.pictures]


def _image(part: _Part, study: Study, picture: IngestedPicture) -> Image:
    file = part.file
    return Image(
        site_id=study.site_id,
        study=study,
        sha256=part.item.sha256,
        frame=picture.frame,
        kind=file.kind,
        source_name=file.source_name,
        modality=picture.modality,
        view=picture.view,
        rows=picture.rows,
        columns=picture.columns,
        notes=list(picture.notes),
        not_assessed=picture.not_assessed,
        series_uid=file.series_uid,
        instance_uid=file.instance_uid or None,
        position=picture.position,
        pixels_sha256=file.pixels_sha256,
        plane_sha256=picture.plane_sha256,
        pipeline=file.pipeline,
        facts=dict(file.facts),
        timings=dict(file.timings),
    )


def _plan_screenings(parts: Sequence[_Part], images: Sequence[Image]) -> list[Screening]:
    item_of = {part.item.sha256: part.item for part in parts}
    versions: dict[UUID, list[ModelVersion]] = {}
    rows: list[Screening] = []
    for image in images:
        item = item_of[image.sha256]
        if item.upload_id not in versions:
            versions[item.upload_id] = still_active(item.upload.models_chosen)
        # The item's rank is the upload's virtual time: screening keeps the order in which files were offered.
        rows += plan(image=image, upload_id=item.upload_id, versions=versions[item.upload_id], rank=item.rank)
    return rows


def _image_draft(image: Image) -> Draft:
    detail = {"image": str(image.pk), "sha256": image.sha256, "frame": image.frame, "plane_sha256": image.plane_sha256}
    if image.not_assessed:
        detail["not_assessed"] = image.not_assessed
    return Draft(ChainKind.STUDY, image.study_id, image.site_id, "image:received", detail)
