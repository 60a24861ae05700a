"""Side tables: what a site calls its files, and reference labels that readers see only after they decided."""

from collections.abc import Collection, Sequence
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
from screening.flows.naming import AT_ONCE, KEPT, LABEL_KEPT, TAKEN, Field, Row, Written, write_rows
from screening.retrying import again_on_conflict
from screening.studies.changes import mark_changed
from screening.uploads.models import PENDING_ARCHIVES, Archive, Item, Reference, Upload, UploadState
from screening.uploads.paths import PathRefused, clean_path, digest

WHY: Final = {
    TAKEN: (
        marked("Another study of the site carries this external_id."),
        marked("Give every study an external_id of its own."),
    ),
    KEPT: (
        marked("The study of this file carries another external_id, and keeps it."),
        marked("Give the files of a study one external_id. Only the upload that brought a study can name it anew."),
    ),
    LABEL_KEPT: (
        marked("The study of this file carries another label, and keeps it."),
        marked("Give the files of a study one label. Only the upload that brought a study can change it."),
    ),
}
NO_SUCH_PATH: Final = "no_such_path"
NO_FILE: Final = (marked("No file of the upload has this path."), marked("Write the path as it stands on the receipt."))
UNSAFE: Final = (marked("No file can have this path."), marked("Write the path as it was offered."))


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
class Recorded:
    """What became of the rows of a table. A row that is neither waiting nor refused names a file that was offered."""

    refused: list[RowRefused]
    waiting: int  # rows of paths that were not offered yet


def record_references(*, upload_id: UUID, rows: Sequence[ReferenceRow], actor: Actor) -> Recorded:
    """Remember the rows for files that are still to come, and write them to studies that are there.

    Rows may come before or after the files, and again: the last one for a path counts. Once no file can come any more,
    a row that no file has is refused.

    Raises:
        IllegalTransition: the upload was purged; nothing changed.
    """
    refused, places, good = _readable(rows)
    named: set[Field] = set()
    waiting = 0
    for start in range(0, len(good), AT_ONCE):
        written, missing, may_come = _record(upload_id, good[start : start + AT_ONCE], actor, named)
        named |= written.named
        absent = [place for row in missing for place in places[row.digest]]
        waiting += len(absent) if may_come else 0
        refused += [] if may_come else [_refused(place, NO_SUCH_PATH, NO_FILE) for place in absent]
        refused += [_refused(place, code, WHY[code]) for place, code in written.refused]
    return Recorded(sorted(refused, key=lambda one: one.row), waiting)


def _refused(place: int, code: str, why: tuple[str, str]) -> RowRefused:
    return RowRefused(row=place, code=code, message=_(why[0]), what_to_do=_(why[1]))


def _readable(rows: Sequence[ReferenceRow]) -> tuple[list[RowRefused], dict[str, list[int]], list[Row]]:
    """Give the rows of paths that no file can have; of each other path its places in the table, and its last row."""
    refused: list[RowRefused] = []
    places: dict[str, list[int]] = {}
    good: dict[str, Row] = {}
    for place, row in enumerate(rows):
        try:
            key = digest(clean_path(row.path))
        except PathRefused as error:
            refused.append(_refused(place, error.code, UNSAFE))
            continue
        places.setdefault(key, []).append(place)
        good[key] = Row(place, key, row.external_id, row.label)
    return refused, places, list(good.values())


@again_on_conflict
@transaction.atomic
def _record(
    upload_id: UUID, rows: Sequence[Row], actor: Actor, named: Collection[Field]
) -> tuple[Written, list[Row], bool]:
    """Write rows. What came of it, the rows that no file has, and whether such a file may still come."""
    upload = Upload.objects.select_for_update().get(pk=upload_id)
    if upload.purged_at:
        raise IllegalTransition(_("The upload was purged."))
    unpacking = Archive.objects.filter(upload=upload, state__in=PENDING_ARCHIVES).exists()
    may_come = upload.state == UploadState.OPEN or unpacking
    offered = Item.objects.filter(upload=upload, path_digest__in=[row.digest for row in rows])
    known = set(offered.values_list("path_digest", flat=True))
    missing = [row for row in rows if row.digest not in known]
    taken = [row for row in rows if may_come or row.digest in known]
    Reference.objects.bulk_create(
        [
            Reference(upload=upload, path_digest=row.digest, external_id=row.external_id, label=row.label)
            for row in taken
        ],
        update_conflicts=True,
        unique_fields=["upload", "path_digest"],
        update_fields=["external_id", "label"],
    )
    written = write_rows(upload, taken, anew=True, named=named)
    told = Draft(ChainKind.UPLOAD, upload.pk, upload.site_id, "upload:references", {"rows": len(taken)})
    record(actor, [told, *written.drafts])
    mark_changed((upload.site_id, study_id) for study_id in written.changed)
    return written, missing, may_come
