"""What a teacher does with a reading set before it is read. Each act is on the chain of the set."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from screening.audit.actor import Actor
from screening.audit.models import ChainKind
from screening.audit.services import Draft, record
from screening.classes.errors import (
    NobodyReads,
    NoCases,
    NotAReviewer,
    NothingAsked,
    ProblemsLeft,
    SetNotInState,
    UploadNotUsable,
)
from screening.classes.labels import HARMLESS, PRESENT, LabelRow, known_labels
from screening.classes.matching import Matched, match, settled, versions_of
from screening.classes.models import Case, ReadingSet, Seat, SetState
from screening.retrying import again_on_conflict
from screening.studies.draws import chance
from screening.uploads.models import Upload, UploadState
from screening.users.models import Membership, Role, User

AT_ONCE: Final = 500


def findings_of_upload(upload: Upload) -> list[str]:
    """What can be asked about an upload: the labels that its models raise a flag for, each once."""
    return list(dict.fromkeys(label for version in versions_of(upload) for label in version.flag_labels))


def labels_of_upload(upload: Upload) -> dict[str, str]:
    """By spelling, the labels that a table may use."""
    return known_labels([label for version in versions_of(upload) for label in version.labels])


def make_set(*, upload: Upload, name: str, finding: str, rows: Sequence[LabelRow], teacher: User) -> ReadingSet:
    """Make a set in preparation of what the rows match; what they do not match is listed on it.

    Raises:
        UploadNotUsable: the upload is not finished, or was deleted.
        NothingAsked: no model of the upload raises a flag for the finding.
    """
    if upload.state != UploadState.FINISHED or upload.purged_at:
        raise UploadNotUsable("This upload is not finished, or it was deleted.")
    if finding not in findings_of_upload(upload):
        raise NothingAsked("No model of this upload raises a flag for that.")
    matched = match(upload, rows, labels_of_upload(upload))
    if not settled(matched.labels):
        raise UploadNotUsable("Pictures of these studies are still being screened.")
    with transaction.atomic():
        made = ReadingSet.objects.create(
            site_id=upload.site_id, upload=upload, name=name, finding=finding, made_by=teacher
        )
        _fill(made, matched, len(rows))
        detail = {"upload": str(upload.pk), "finding": finding, "cases": len(matched.labels)}
        record(Actor.user(teacher), [draft(made, "class:made", detail)])
    return made


@again_on_conflict
@transaction.atomic
def retake_labels(*, set_id: UUID, rows: Sequence[LabelRow], teacher: User) -> ReadingSet:
    """Put another table of labels in the place of the one that a set in preparation was made of.

    Raises:
        SetNotInState: the set is open already, or was discarded; nothing changed.
    """
    found = locked(set_id, SetState.DRAFT)
    matched = match(found.upload, rows, labels_of_upload(found.upload))
    found.cases.all().delete()
    _fill(found, matched, len(rows))
    record(Actor.user(teacher), [draft(found, "class:labels_taken", {"cases": len(matched.labels)})])
    return found


def _fill(found: ReadingSet, matched: Matched, rows: int) -> None:
    drawn = sorted(matched.labels, key=lambda study: chance(found.order_key, "number", study))
    cases = [
        Case(
            reading_set=found,
            study_id=study,
            number=number,
            truth=matched.labels[study],
            present=matched.labels[study] in {found.finding, PRESENT},
        )
        for number, study in enumerate(drawn, start=1)
    ]
    Case.objects.bulk_create(cases, batch_size=AT_ONCE)
    found.rows, found.problems = rows, [[line, code.value] for line, code in matched.problems]
    found.save(update_fields=["rows", "problems"])


@again_on_conflict
@transaction.atomic
def choose_readers(*, set_id: UUID, reader_ids: Sequence[int], teacher: User) -> None:
    """Say who reads. In preparation these and nobody else; of an open set they are added to those who read.

    From now on nothing of the truth and of models is shown to them about these studies, on any page or in the API.

    Raises:
        NotAReviewer: one of them is no reviewer of the site; nothing changed.
        SetNotInState: the set is revealed, or was discarded.
    """
    found = locked(set_id, SetState.DRAFT, SetState.OPEN)
    wanted = set(reader_ids)
    reviewers = Membership.objects.filter(site=found.site_id, role=Role.REVIEWER, user__is_active=True)
    if wanted - set(reviewers.filter(user__in=wanted).values_list("user_id", flat=True)):
        raise NotAReviewer("Only reviewers of the site can read a set: from others nothing can be hidden.")
    if found.is_draft:
        found.seats.exclude(reader__in=wanted).delete()
    there = set(found.seats.values_list("reader_id", flat=True))
    new = sorted(wanted - there)
    Seat.objects.bulk_create([Seat(reading_set=found, reader_id=reader) for reader in new])
    readers = sorted(wanted | there if found.is_open else wanted)
    record(Actor.user(teacher), [draft(found, "class:readers_chosen", {"readers": readers})])


@again_on_conflict
@transaction.atomic
def open_set(*, set_id: UUID, teacher: User, agreed: bool = False) -> ReadingSet:
    """Let the readers begin. From now on the truth of the set is fixed.

    `agreed`: that what the table did not match is left out.

    Raises:
        NoCases, NobodyReads: there is nothing to read, or nobody to do it.
        ProblemsLeft: something is left out, and nobody agreed.
        SetNotInState: the set is not in preparation.
    """
    found = locked(set_id, SetState.DRAFT)
    if not found.cases.exists():
        raise NoCases("No row of the table led to a study.")
    if not found.seats.exists():
        raise NobodyReads("Nobody was chosen to read.")
    left = [code for _, code in found.problems if code not in HARMLESS]
    if left and not agreed:
        raise ProblemsLeft(f"{len(left)} rows or studies are left out.")
    found.state, found.opened_at = SetState.OPEN, timezone.now()
    found.save(update_fields=["state", "opened_at"])
    truth = {str(case.pk): case.truth for case in found.cases.all()}
    detail = {"cases": len(truth), "left_out": len(left), "truth": truth}
    record(Actor.user(teacher), [draft(found, "class:opened", detail)])
    return found


@again_on_conflict
@transaction.atomic
def discard_set(*, set_id: UUID, teacher: User) -> None:
    """Give up a set in preparation. Its studies are as open to everybody as before.

    Raises:
        SetNotInState: the set was opened: it can be revealed, and is never lost.
    """
    found = locked(set_id, SetState.DRAFT)
    found.state = SetState.DISCARDED
    found.save(update_fields=["state"])
    record(Actor.user(teacher), [draft(found, "class:discarded", {})])


def locked(set_id: UUID, *states: SetState) -> ReadingSet:
    """The set under its lock, in one of these states.

    Raises:
        SetNotInState: it is in another one.
    """
    found = ReadingSet.objects.select_for_update().get(pk=set_id)
    if found.state not in states:
        raise SetNotInState(f"The set is not {' or '.join(str(state.label).lower() for state in states)}.")
    return found


def draft(found: ReadingSet, action: str, detail: dict[str, object]) -> Draft:
    """An event of the chain of a set."""
    return Draft(ChainKind.CLASS, found.pk, found.site_id, action, detail)
