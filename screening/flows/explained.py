"""Heat maps from the wish to the file: owed for every flag, asked for by people, kept beside the preview."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from screening import leasing
from screening.errors import LeaseLost, NothingToExplain
from screening.leasing import Lease
from screening.queue import Call, call_after_commit
from screening.results.explaining import move_explanations
from screening.results.models import Explanation, ExplanationState, Screening, ScreeningState
from screening.retrying import again_on_conflict
from screening.studies.changes import mark_changed
from screening.studies.models import Study
from screening.uploads.kept import is_kept
from screening.uploads.storage import blob_folder
from screening.upserting import insert_rows

_OPEN: Final = (ExplanationState.WAITING, ExplanationState.FAILED)  # asking changes something
HEAD_START: Final = 86_400.0  # seconds that a map somebody waits for starts ahead


@dataclass(frozen=True, slots=True)
class Drawn:
    """What the explain lane says of one map: where its files are, or why there are none."""

    key: str = ""
    method: str = ""
    field: str = ""
    outside: float | None = None
    altered: Mapping[str, float] = dataclasses.field(default_factory=dict)  # see `Explanation.altered`
    code: str = ""  # empty: it was drawn


def owe_explanations(leads: Sequence[tuple[Screening, Sequence[str]]]) -> None:
    """Make a waiting map for each screening and label that has none, within the caller's transaction."""
    if not leads:
        return
    keys = [row.pk for row, _ in leads]
    known = set(Explanation.objects.filter(screening__in=keys).values_list("screening_id", "label"))
    owed = [
        Explanation(
            site_id=row.site_id,
            screening_id=row.pk,
            model_version_id=row.model_version_id,
            label=label,
            rank=timezone.now().timestamp(),
        )
        for row, labels in leads
        for label in labels
        if (row.pk, label) not in known
    ]
    if owed:
        insert_rows(owed, unless_there=True)
        call_after_commit(Call.EXPLAIN_NEXT_BATCH)


def ask_explanation(*, screening_id: UUID, label: str, user_id: int) -> Explanation:
    """Have a map drawn soon, unless it is there. One that failed, or whose files are gone, is drawn again.

    Raises:
        NothingToExplain: the screening has no score, or no such label.
    """
    drawn = Explanation.objects.filter(screening_id=screening_id, label=label, state=ExplanationState.DRAWN)
    known = drawn.select_related("screening__image").first()
    lost = "" if known is None or all(map(is_kept, files_of(known))) else known.key
    return _ask(screening_id, label, user_id, lost)


@again_on_conflict
@transaction.atomic
def _ask(screening_id: UUID, label: str, user_id: int, lost: str) -> Explanation:
    found = Screening.objects.select_for_update(of=("self",)).filter(pk=screening_id)
    row = found.filter(state=ScreeningState.SCORED).first()
    if row is None or label not in row.scores:
        raise NothingToExplain(_("This model gave this picture no such score."))
    rank = timezone.now().timestamp() - HEAD_START
    fresh = {"site_id": row.site_id, "model_version_id": row.model_version_id, "rank": rank, "asked_by_id": user_id}
    wanted, made = Explanation.objects.get_or_create(screening=row, label=label, defaults=fresh)
    if not made and (wanted.state in _OPEN or (lost and wanted.key == lost)):
        _again(wanted, rank, user_id)
    call_after_commit(Call.EXPLAIN_NEXT_BATCH)
    return wanted


def _again(wanted: Explanation, rank: float, user_id: int) -> None:
    wanted.rank, wanted.asked_by_id = rank, user_id
    if wanted.state == ExplanationState.WAITING:
        wanted.save(update_fields=["rank", "asked_by"])
        return
    wanted.code, wanted.key, wanted.outside, wanted.altered = "", "", None, {}
    wanted.deaths, wanted.attempts, wanted.alone = 0, 0, False
    move_explanations([(wanted, ExplanationState.WAITING)])


def files_of(wanted: Explanation) -> tuple[Path, Path]:
    """Where the raw map and the overlay of a drawn map are kept."""
    image = wanted.screening.image
    folder, name = blob_folder(image.site_id, image.sha256), f"{image.frame}.{wanted.key[:32]}"
    return folder / f"{name}.heat.png", folder / f"{name}.overlay.jpg"


@again_on_conflict
@transaction.atomic
def record_explanations(*, lease: Lease, drawn: Mapping[UUID, Drawn]) -> int:
    """Say of leased maps that they are drawn, or why not. How many rows were written.

    Raises:
        LeaseLost: no row is held any more; nothing was written.
    """
    held = leasing.held(Explanation, lease).filter(pk__in=drawn)
    keys = set(held.values_list("screening__study_id", flat=True))
    list(Study.objects.select_for_update().filter(pk__in=keys).order_by("pk").values_list("pk"))  # first, as everywhere
    rows = list(held.select_for_update(of=("self",)).select_related("screening").order_by("pk"))
    if not rows:
        raise LeaseLost("The lease on these heat maps ran out.")
    for row in rows:
        told = drawn[row.pk]
        row.key, row.method, row.field, row.code = told.key, told.method, told.field, told.code
        row.outside, row.altered = told.outside, dict(told.altered)
    move_explanations([(row, _state(drawn[row.pk])) for row in rows])
    mark_changed((row.site_id, row.screening.study_id) for row in rows)
    return len(rows)


def _state(told: Drawn) -> ExplanationState:
    return ExplanationState.FAILED if told.code else ExplanationState.DRAWN
