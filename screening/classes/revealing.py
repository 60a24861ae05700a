"""The reveal: what models had said is written down beside the truth, and the veil over the studies is lifted."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from screening.audit.actor import Actor
from screening.audit.services import record
from screening.classes.models import Case, ModelAnswer, ReadingSet, SetState
from screening.classes.services import AT_ONCE, draft, locked
from screening.results.models import PENDING, ModelVersion, Screening, ScreeningState, SeriesResult
from screening.results.selectors import FLAGGED, NOT_ASSESSED, NOT_FLAGGED, WAITING
from screening.retrying import again_on_conflict
from screening.studies.changes import mark_changed
from screening.users.models import User

_TELLING: Final = (FLAGGED, NOT_ASSESSED, WAITING, NOT_FLAGGED)  # which picture of a study decides


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a model version says of a picture, a series or a study about one label."""

    word: str
    score: float | None = None
    point: float | None = None

    @property
    def place(self) -> tuple[int, float]:
        return _TELLING.index(self.word), -(self.score or 0.0)


@again_on_conflict
@transaction.atomic
def reveal_set(*, set_id: UUID, teacher: User) -> ReadingSet:
    """End the reading and show everything to everybody who read. There is no way back.

    Raises:
        SetNotInState: the set is not open.
    """
    found = locked(set_id, SetState.OPEN)
    cases = list(found.cases.select_related("study"))
    ModelAnswer.objects.bulk_create(_answers(cases, found.finding), batch_size=AT_ONCE)
    found.state, found.revealed_at = SetState.REVEALED, timezone.now()
    found.save(update_fields=["state", "revealed_at"])
    record(Actor.user(teacher), [draft(found, "class:revealed", {"cases": len(cases)})])
    # To those who poll the API as readers these studies have just appeared.
    mark_changed((found.site_id, case.study_id) for case in cases)
    return found


def _answers(cases: Sequence[Case], finding: str) -> list[ModelAnswer]:
    """One for every case and version of its modality that raises a flag for the finding: what is not there is told."""
    said = _verdicts([case.study_id for case in cases], finding)
    versions = ModelVersion.objects.defer("card").in_bulk({version for _, version in said})
    return [
        ModelAnswer(case=case, model_version=version, word=verdict.word, score=verdict.score, point=verdict.point)
        for case in cases
        for version in versions.values()
        if finding in version.flag_labels
        and (case.study.modality == version.modality or (case.study_id, version.pk) in said)
        for verdict in [said.get((case.study_id, version.pk), Verdict(NOT_ASSESSED))]
    ]


def _verdicts(studies: Sequence[UUID], finding: str) -> dict[tuple[UUID, UUID], Verdict]:
    """By study and version. A series stands for its slices; of several pictures the one that decides."""
    pictures: dict[tuple[UUID, UUID], list[Verdict]] = defaultdict(list)
    pending: set[tuple[UUID, UUID]] = set()
    series: dict[tuple[UUID, UUID], list[Verdict]] = defaultdict(list)
    for row in _rows(studies):
        key = (row.study_id, row.model_version_id)
        pending |= {key} if row.state in PENDING else set()
        pictures[key].append(_of_row(row, finding))
    for some in _some(studies):
        for result in SeriesResult.objects.filter(study__in=some):
            key = (result.study_id, result.model_version_id)
            scored = result.outcome == ScreeningState.SCORED
            series[key].append(_judged(result.scores, result.thresholds, finding) if scored else Verdict(NOT_ASSESSED))
    decided = {key: series[key] if key in series and key not in pending else told for key, told in pictures.items()}
    return {key: min(told, key=lambda verdict: verdict.place) for key, told in decided.items()}


def _rows(studies: Sequence[UUID]) -> Iterator[Screening]:
    """The latest screening of each picture by each version."""
    for some in _some(studies):
        rows = Screening.objects.filter(study__in=some, image__superseded=False).order_by("created_at")
        yield from {(row.image_id, row.model_version_id): row for row in rows}.values()


def _some(studies: Sequence[UUID]) -> Iterable[Sequence[UUID]]:
    return (studies[start : start + AT_ONCE] for start in range(0, len(studies), AT_ONCE))


def _of_row(row: Screening, finding: str) -> Verdict:
    if row.state in PENDING:
        return Verdict(WAITING)
    if row.state != ScreeningState.SCORED:
        return Verdict(NOT_ASSESSED)
    return _judged(row.scores, row.thresholds, finding)


def _judged(scores: dict[str, float], points: dict[str, float], finding: str) -> Verdict:
    score, point = scores.get(finding), points.get(finding)
    if score is None or point is None:
        return Verdict(NOT_ASSESSED)
    return Verdict(FLAGGED if score >= point else NOT_FLAGGED, score, point)
