"""What another version would change: study by study, its flags beside those of the version in use."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models import QuerySet

from ml.vocabulary import PIPELINES, Modality
from screening.numbers.models import Replay
from screening.results.models import PENDING, ModelVersion, Screening, ScreeningState, SeriesResult
from screening.results.selectors import FLAGGED, NOT_ASSESSED, NOT_FLAGGED, WAITING
from screening.results.series import even_slices, summarise
from screening.results.services import flags_raised, thresholds_of


@dataclass(frozen=True, slots=True)
class Verdict:
    """One version's word about a study, and its highest score of a label that raises a flag."""

    word: str
    score: float | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """One study of a replay, as both versions see it."""

    study: UUID
    old: Verdict
    new: Verdict

    @property
    def differs(self) -> bool:
        return self.new.word not in {self.old.word, WAITING}


@dataclass(frozen=True, slots=True)
class Comparison:
    """All studies of a replay, those whose flag would change first."""

    changes: Sequence[Change]

    @property
    def differing(self) -> list[Change]:
        return [change for change in self.changes if change.differs]

    @property
    def same(self) -> int:
        return sum(not change.differs and change.new.word != WAITING for change in self.changes)

    @property
    def newly_flagged(self) -> int:
        return sum(change.differs and change.new.word == FLAGGED for change in self.changes)

    @property
    def no_longer_flagged(self) -> int:
        return sum(change.differs and change.old.word == FLAGGED for change in self.changes)


def compare(replay: Replay) -> Comparison:
    """Hold the trial beside what stands. The new version is judged by the points that would apply to it."""
    keys = list(replay.studies.order_by("pk").values_list("pk", flat=True))
    points = thresholds_of(site_ids=[replay.site_id], version=replay.new)[replay.site_id]
    stood = _by_study(Screening.objects.filter(study__in=keys, model_version=replay.old, image__superseded=False))
    tried = _by_study(
        Screening.with_trials.filter(study__in=keys, model_version=replay.new, pipeline__in=PIPELINES, trial=True)
    )
    series = defaultdict(list)
    for row in SeriesResult.objects.filter(study__in=keys, model_version=replay.old):
        series[row.study_id].append(row)
    changes = [
        Change(key, _stood(replay.old, stood[key], series[key]), _tried(replay.new, tried[key], points)) for key in keys
    ]
    return Comparison(sorted(changes, key=lambda change: (not change.differs, str(change.study))))


def _by_study(rows: QuerySet[Screening]) -> dict[UUID, list[Screening]]:
    found: dict[UUID, list[Screening]] = defaultdict(list)
    for row in rows.select_related("image"):
        found[row.study_id].append(row)
    return found


def _stood(version: ModelVersion, rows: Sequence[Screening], series: Sequence[SeriesResult]) -> Verdict:
    counted = {result.series_uid for result in series}  # their slices never count by themselves
    told = [(result.scores, result.flagged) for result in series if result.outcome == ScreeningState.SCORED]
    told += [(row.scores, row.flagged) for row in _scored(rows) if row.image.series_uid not in counted]
    return _verdict(version, told) if told else Verdict(NOT_ASSESSED)


def _tried(version: ModelVersion, rows: Sequence[Screening], points: dict[str, float]) -> Verdict:
    if any(row.state in PENDING for row in rows):
        return Verdict(WAITING)
    told = _series(version, rows, points) if version.modality == Modality.CT else [row.scores for row in _scored(rows)]
    if not told:
        return Verdict(NOT_ASSESSED)
    return _verdict(version, [(scores, bool(flags_raised(scores, points))) for scores in told])


def _series(version: ModelVersion, rows: Sequence[Screening], points: dict[str, float]) -> list[dict[str, float]]:
    """The slices of each series counted together, as they would be, and a lone one by itself: nothing is stored."""
    by_series: dict[str, list[Screening]] = defaultdict(list)
    for row in rows:
        by_series[row.image.series_uid].append(row)
    results = [
        summarise(study_id=rows[0].study_id, version=version, rows=even_slices(group), thresholds=points)
        for group in by_series.values()
        if len(group) > 1
    ]
    alone = [row.scores for group in by_series.values() if len(group) == 1 for row in _scored(group)]
    return [*alone, *(result.scores for result in results if result.outcome == ScreeningState.SCORED)]


def _scored(rows: Sequence[Screening]) -> list[Screening]:
    return [row for row in rows if row.state == ScreeningState.SCORED]


def _verdict(version: ModelVersion, told: Sequence[tuple[dict[str, float], bool]]) -> Verdict:
    word = FLAGGED if any(flagged for _, flagged in told) else NOT_FLAGGED
    score = max((scores.get(label, 0.0) for scores, _ in told for label in version.flag_labels), default=None)
    return Verdict(word, score)
