"""Side tables: what a site calls its files, and reference labels that readers see only after they decided."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from ml.vocabulary import marked
from screening.audit.actor import Actor
from screening.audit.models import ChainKind
from screening.audit.services import Draft, record
from screening.errors import IllegalTransition
from screening.retrying import again_on_conflict
from screening.studies.changes import mark_changed
from screening.studies.models import Study, StudyState
from screening.uploads.models import Item, Reference, Upload
from screening.uploads.paths import PathRefused, clean_path, digest

AT_ONCE: Final = 200  # rows in one transaction
TAKEN: Final = "external_id_taken"
TAKEN_MESSAGE: Final = marked("Another study of the site carries this external_id.")
TAKEN_ADVICE: Final = marked("Give every study an external_id of its own.")
UNSAFE_MESSAGE: Final = marked("No file can have this path.")
UNSAFE_ADVICE: Final = marked("Write the path as it was offered.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceRow:
    """One row of a side table: for the file of a path, its external identifier, its label, or both."""

    path: str
    external_id: str = ""
    label: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowRefused:
    """A row that could not be taken: its place in the table, from 0, and why."""

    row: int
    code: str
    message: str
    what_to_do: str


@dataclass(frozen=True, slots=True)
class _Row:
    place: int
    digest: str
    external_id: str
    label: str


def record_references(*, upload_id: UUID, rows: Sequence[ReferenceRow], actor: Actor) -> list[RowRefused]:
    """Remember the rows for files that are still to come, and write them to studies that are there. The refused rows.

    Rows may come before or after the files, and again: the last one for a path counts.

    Raises:
        IllegalTransition: the upload was purged; nothing changed.
    """
    refused, good = _readable(rows)
    for start in range(0, len(good), AT_ONCE):
        refused += _record(upload_id, good[start : start + AT_ONCE], actor)
    return sorted(refused, key=lambda one: one.row)


def _readable(rows: Sequence[ReferenceRow]) -> tuple[list[RowRefused], list[_Row]]:
    refused: list[RowRefused] = []
    good: dict[str, _Row] = {}
    for place, row in enumerate(rows):
        try:
            key = digest(clean_path(row.path))
        except PathRefused as error:
            refused.append(
                RowRefused(row=place, code=error.code, message=_(UNSAFE_MESSAGE), what_to_do=_(UNSAFE_ADVICE))
            )
            continue
        good[key] = _Row(place, key, row.external_id, row.label)
    return refused, list(good.values())


@again_on_conflict
@transaction.atomic
def _record(upload_id: UUID, rows: Sequence[_Row], actor: Actor) -> list[RowRefused]:
    upload = Upload.objects.select_for_update().get(pk=upload_id)
    if upload.purged_at:
        raise IllegalTransition(_("The upload was purged."))
    Reference.objects.bulk_create(
        [
            Reference(upload=upload, path_digest=row.digest, external_id=row.external_id, label=row.label)
            for row in rows
        ],
        update_conflicts=True,
        unique_fields=["upload", "path_digest"],
        update_fields=["external_id", "label"],
    )
    changed, refused = _write_studies(upload, rows)
    record(actor, [Draft(ChainKind.UPLOAD, upload.pk, upload.site_id, "upload:references", {"rows": len(rows)})])
    mark_changed((upload.site_id, study_id) for study_id in changed)
    return refused


def _write_studies(upload: Upload, rows: Sequence[_Row]) -> tuple[list[UUID], list[RowRefused]]:
    by_digest = {row.digest: row for row in rows}
    items = Item.objects.filter(upload=upload, path_digest__in=by_digest, study_id__isnull=False)
    row_of = {
        study_id: by_digest[key]
        for study_id, key in items.order_by("-path").values_list("study_id", "path_digest")
        if study_id
    }
    live = Study.objects.select_for_update().filter(pk__in=row_of).exclude(state=StudyState.PURGED)
    wanted = {row.external_id for row in row_of.values() if row.external_id}
    owners = dict(Study.objects.filter(site_id=upload.site_id, external_id__in=wanted).values_list("external_id", "pk"))
    changed, refused = [], []
    for study in live.order_by("pk"):
        row = row_of[study.pk]
        if row.external_id and owners.setdefault(row.external_id, study.pk) != study.pk:
            refused.append(RowRefused(row=row.place, code=TAKEN, message=_(TAKEN_MESSAGE), what_to_do=_(TAKEN_ADVICE)))
            continue
        if _write_study(study, row):
            changed.append(study.pk)
    return changed, refused


def _write_study(study: Study, row: _Row) -> bool:
    before = (study.external_id, study.reference_label)
    study.external_id = row.external_id or study.external_id
    study.reference_label = row.label or study.reference_label
    if before == (study.external_id, study.reference_label):
        return False
    study.save(update_fields=["external_id", "reference_label"])
    return True
