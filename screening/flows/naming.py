"""What a side table says about files reaches their studies: one rule, whether rows or files came first.

An identifier names one study of a site: one that another study carries is not given again. A study that carries one, or
a label, keeps it; only the upload that brought the study names it anew, by a table that comes after its files. A row
that is refused writes nothing.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, Min, OuterRef
from django.db.models.functions import Coalesce

from screening.audit.actor import Actor
from screening.audit.models import ChainKind
from screening.audit.services import Draft, record
from screening.retrying import again_on_conflict
from screening.studies.changes import mark_changed
from screening.studies.models import Study, StudyState
from screening.uploads.models import Item, ItemState, Reference, Upload

AT_ONCE: Final = 200  # rows in one transaction
TAKEN: Final = "external_id_taken"
KEPT: Final = "external_id_kept"
LABEL_KEPT: Final = "label_kept"

EXTERNAL_ID: Final = "external_id"
LABEL: Final = "reference_label"

Owners = dict[str, UUID]  # by external identifier of a site: the study that carries it
Field = tuple[UUID, str]  # a field of a study


@dataclass(frozen=True, slots=True)
class Row:
    """What a side table says about a path, and its place in the table."""

    place: int
    digest: str
    external_id: str
    label: str


@dataclass(slots=True)
class Written:
    """What rows brought about, for the caller's transaction to finish."""

    changed: list[UUID] = field(default_factory=list)
    refused: list[tuple[int, str]] = field(default_factory=list)  # the place of a row, and why
    drafts: list[Draft] = field(default_factory=list)
    named: set[Field] = field(default_factory=set)  # what rows of this table said already


def why_not(study: Study, row: Row | Reference, owners: Owners, *, free: Collection[str] = ()) -> str | None:
    """Say why a row cannot be written to its study; `free`: fields that may be replaced though they are filled."""
    if row.external_id and owners.get(row.external_id, study.pk) != study.pk:
        return TAKEN
    if row.external_id and study.external_id not in {None, row.external_id} and EXTERNAL_ID not in free:
        return KEPT
    if row.label and study.reference_label not in {"", row.label} and LABEL not in free:
        return LABEL_KEPT
    return None


def owners_of(site_id: UUID, rows: Iterable[Row | Reference]) -> Owners:
    """Which studies of a site carry the identifiers of rows."""
    wanted = {row.external_id for row in rows if row.external_id}
    if not wanted:
        return {}
    carrying = Study.objects.filter(site_id=site_id, external_id__in=wanted).values_list("external_id", "pk")
    return {external_id: pk for external_id, pk in carrying if external_id}


def references_of(items: Sequence[Item]) -> dict[tuple[UUID, str], Reference]:
    """By upload and path: names such as 1.png come in many uploads."""
    rows = Reference.objects.filter(
        upload__in={item.upload_id for item in items}, path_digest__in={item.path_digest for item in items}
    )
    return {(row.upload_id, row.path_digest): row for row in rows}


def name_studies(pairs: Sequence[tuple[Study, Sequence[Item]]]) -> list[Draft]:
    """Give locked or fresh studies of one site what side tables say of the first file that they name.

    The caller saves, and records the events that are returned.
    """
    references = references_of([item for _, items in pairs for item in items])
    found = [(study, row) for study, items in pairs if (row := _first(references, items))]
    if not found:
        return []
    owners = owners_of(found[0][0].site_id, [row for _, row in found])
    drafts: list[Draft] = []
    for study, row in found:
        if why_not(study, row, owners) is None:
            drafts += _named(study, row, row.upload_id, owners)
    return drafts


def write_rows(upload: Upload, rows: Sequence[Row], *, anew: bool = False, named: Collection[Field] = ()) -> Written:
    """Write rows to studies that are there, in the caller's transaction.

    Args:
        upload: Whose table it is.
        rows: One for each path.
        anew: Whether studies that the upload brought take another identifier or label than they carry.
        named: What rows of this table said before: it stays.
    """
    by_digest = {row.digest: row for row in rows}
    rows_of: dict[UUID, list[Row]] = defaultdict(list)
    for study_id, key in _studies_of(upload, by_digest):
        rows_of[study_id].append(by_digest[key])
    live = Study.objects.select_for_update().filter(pk__in=rows_of).exclude(state=StudyState.PURGED)
    studies = list(live.order_by("pk"))
    owners = owners_of(upload.site_id, rows)
    ours = _brought_by(upload, [study.pk for study in studies if _differs(study, rows_of[study.pk])]) if anew else set()
    written = Written(named=set(named))
    for study in studies:
        drafts: list[Draft] = []
        before = (study.external_id, study.reference_label)
        for row in rows_of[study.pk]:
            free = {name for name in (EXTERNAL_ID, LABEL) if study.pk in ours and (study.pk, name) not in written.named}
            code = why_not(study, row, owners, free=free)
            if code:
                written.refused.append((row.place, code))
                continue
            drafts += _named(study, row, upload.pk, owners)
            said = {EXTERNAL_ID: row.external_id, LABEL: row.label}
            written.named |= {(study.pk, name) for name, value in said.items() if value}
        if before != (study.external_id, study.reference_label):
            study.save(update_fields=["external_id", "reference_label"])
            written.changed.append(study.pk)
            written.drafts += drafts
    return written


def notes_on(site_id: UUID, items: Sequence[Item], studies: Mapping[UUID, Study]) -> dict[UUID, str]:
    """For each file whose row of a side table did not reach its study: why. `studies` are given by file."""
    references = references_of([item for item in items if item.pk in studies])
    if not references:
        return {}
    owners = owners_of(site_id, references.values())
    found = {item.pk: references.get((item.upload_id, item.path_digest)) for item in items if item.pk in studies}
    codes = {key: why_not(studies[key], row, owners) for key, row in found.items() if row}
    return {key: code for key, code in codes.items() if code}


def name_left(upload: Upload, actor: Actor) -> None:
    """Write the rows of an upload that found no study when they came: of repeats, and of files that came at once."""
    rows = [
        Row(place, reference.path_digest, reference.external_id, reference.label)
        for place, reference in enumerate(Reference.objects.filter(upload=upload).order_by("path_digest"))
    ]
    for start in range(0, len(rows), AT_ONCE):
        _name_left(upload, rows[start : start + AT_ONCE], actor)


@again_on_conflict
@transaction.atomic
def _name_left(upload: Upload, rows: Sequence[Row], actor: Actor) -> None:
    written = write_rows(upload, rows)
    record(actor, written.drafts)
    mark_changed((upload.site_id, study_id) for study_id in written.changed)


def unmatched(upload: Upload) -> int:
    """How many rows of an upload's side tables name a path that no file of it has."""
    named = Item.objects.filter(upload_id=OuterRef("upload_id"), path_digest=OuterRef("path_digest"))
    return Reference.objects.filter(~Exists(named), upload=upload).count()


def _named(study: Study, row: Row | Reference, upload_id: UUID, owners: Owners) -> list[Draft]:
    """Write a row that may be written. The event tells that a study was named, and never how."""
    study.reference_label = row.label or study.reference_label
    if not row.external_id or row.external_id == study.external_id:
        return []
    detail = {"upload": str(upload_id), "anew": study.external_id is not None}
    study.external_id = row.external_id
    owners[row.external_id] = study.pk
    return [Draft(ChainKind.STUDY, study.pk, study.site_id, "study:named", detail)]


def _first(references: Mapping[tuple[UUID, str], Reference], items: Sequence[Item]) -> Reference | None:
    rows = [references.get((item.upload_id, item.path_digest)) for item in items]
    return next((row for row in rows if row and row.external_id), next((row for row in rows if row), None))


def _studies_of(upload: Upload, digests: Collection[str]) -> Iterable[tuple[UUID, str]]:
    """Study and path of those files that have led to a study, by path. A repeat leads to that of its original."""
    items = Item.objects.filter(upload=upload, path_digest__in=digests)
    found = items.annotate(of=Coalesce("study_id", "duplicate_of__study_id")).filter(of__isnull=False)
    pairs: Iterable[tuple[UUID, str]] = found.order_by("path", "pk").values_list("of", "path_digest")
    return pairs


def _differs(study: Study, rows: Sequence[Row]) -> bool:
    return any(why_not(study, row, {}) for row in rows)


def _brought_by(upload: Upload, studies: Collection[UUID]) -> set[UUID]:
    """Those studies whose first file, of the files that are kept, came with this upload."""
    came = Item.objects.filter(study_id__in=studies, state=ItemState.ACCEPTED).exclude(path="").order_by()
    grouped = came.values_list("study_id", "upload_id").annotate(first=Min(Coalesce("done_at", "created_at")))
    first: dict[UUID | None, tuple[object, UUID]] = {}
    for study_id, upload_id, moment in grouped:
        first[study_id] = min(first.get(study_id, (moment, upload_id)), (moment, upload_id))
    return {study_id for study_id in studies if study_id in first and first[study_id][1] == upload.pk}
