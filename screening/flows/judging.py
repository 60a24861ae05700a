"""Where its results put a study: flagged, not assessed, settled or still on its way."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final, NamedTuple
from uuid import UUID

from ml.vocabulary import Modality, NotAssessed
from screening.results.models import NOT_ASSESSED, PENDING, ModelVersion, Screening, ScreeningState, SeriesResult
from screening.results.series import even_slices, summarise
from screening.results.services import flags_raised, thresholds_of
from screening.studies.models import Study, StudyState
from screening.studies.transitions import StudyFate

WITHOUT_SCORE: Final = frozenset({*NOT_ASSESSED, ScreeningState.CANCELLED})
KEPT_OUT: Final = frozenset(  # by the gate, which looks at slices one by one and is now and then wrong about one
    {NotAssessed.NOT_CHEST, NotAssessed.OUT_OF_DISTRIBUTION, NotAssessed.ORIENTATION, NotAssessed.POLARITY}
)
OF_PICTURE: Final = (  # what judging asks of the picture of a row
    "image__modality",
    "image__not_assessed",
    "image__series_uid",
    "image__position",
    "image__sha256",
    "image__frame",
)
NEEDED: Final = (  # of a row: a card holds kilobytes, and a study may have thousands of rows
    "study_id",
    "image_id",
    "model_version_id",
    "pipeline",
    "state",
    "code",
    "flagged",
    "scores",
    "thresholds",
    "done_at",
    "site_id",
    *OF_PICTURE,
)


class Lead(NamedTuple):
    """A screening that flags its study, and the labels that do."""

    screening: Screening
    labels: tuple[str, ...]


class Judged(NamedTuple):
    """Where a study goes, and the screenings whose flags put it there, of which heat maps are owed."""

    fate: StudyFate
    leads: tuple[Lead, ...] = ()


Series = Mapping[tuple[UUID, str], Sequence[Screening]]  # by model version and series


def rows_of(studies: Sequence[Study], known: Sequence[Screening] = ()) -> dict[UUID, list[Screening]]:
    """By study: its screenings, each with its image, no more of them read than judging takes.

    Args:
        studies: Locked by the caller.
        known: Rows as they stand, with their images, which so need not be read again.
    """
    rows: dict[UUID, list[Screening]] = defaultdict(list)
    asked = {study.pk for study in studies}
    for row in known:
        if row.study_id in asked and not row.trial and not row.image.superseded:
            rows[row.study_id].append(row)
    others = Screening.objects.filter(study__in=asked, image__superseded=False)
    if known:
        others = others.exclude(pk__in=[row.pk for row in known])
    for row in others.select_related("image").only(*NEEDED):
        rows[row.study_id].append(row)
    return rows


def judge(study: Study, rows: Sequence[Screening], *, still_arriving: bool) -> Judged:
    """Judge a locked study. The slices of a CT series count together, every other picture by itself."""
    pending = any(row.state in PENDING for row in rows)
    single, series = _apart(_answering(rows))
    flagged = any(row.flagged for row in single)
    not_assessed = not rows or any(row.state in WITHOUT_SCORE for row in single)
    not_assessed = not_assessed or any(_is_gap(row) for group in series.values() for row in group)
    if still_arriving or pending:
        to = StudyState.RECEIVING if still_arriving else StudyState.SCREENING
        return Judged(StudyFate(to=to, flagged=flagged or study.flagged, not_assessed=not_assessed))
    ranked = {key: even_slices(group) for key, group in series.items()}
    results = _summarised(study, ranked)
    alone = [Lead(row, tuple(flags_raised(row.scores, row.thresholds))) for row in single if row.flagged]
    leads = (*alone, *_leads(results, ranked))
    flagged = bool(leads)
    not_assessed = not_assessed or any(result.outcome != ScreeningState.SCORED for result in results)
    settled = StudyState.INCOMPLETE if not_assessed else StudyState.READY
    fate = StudyFate(to=settled, flagged=flagged, not_assessed=not_assessed)
    answered = study.reviewed_revision == study.revision and not is_newly_flagged(study, fate)
    return Judged(replace(fate, to=StudyState.REVIEWED) if answered else fate, leads)


def is_newly_flagged(study: Study, fate: StudyFate) -> bool:
    """Whether a study is to be flagged that is not: what readers answered before was no answer to that."""
    return fate.flagged and not study.flagged


def _leads(results: Sequence[SeriesResult], series: Series) -> Iterator[Lead]:
    """Of each flagged series the slice with the highest score of a label that was reached."""
    for result in results:
        labels = flags_raised(result.scores, result.thresholds)
        scored = [row for row in series[result.model_version_id, result.series_uid] if row.scores]
        if labels and scored:
            yield Lead(max(scored, key=lambda row: max(row.scores[label] for label in labels)), tuple(labels))


def _answering(rows: Iterable[Screening]) -> list[Screening]:
    """Leave out that a model is for another modality, where a model for the right one has scored the picture."""
    rows = list(rows)
    scored = {row.image_id for row in rows if row.state == ScreeningState.SCORED}
    return [row for row in rows if row.code != NotAssessed.WRONG_MODALITY or row.image_id not in scored]


def _apart(rows: Iterable[Screening]) -> tuple[list[Screening], Series]:
    """Part what counts by itself from slices of which the study holds several of one series."""
    rows = list(rows)
    slices: dict[str, set[UUID]] = defaultdict(set)
    for row in rows:
        if row.image.modality == Modality.CT:
            slices[row.image.series_uid].add(row.image_id)
    single: list[Screening] = []
    series: dict[tuple[UUID, str], list[Screening]] = defaultdict(list)
    for row in rows:
        if row.image.modality == Modality.CT and len(slices[row.image.series_uid]) > 1:
            series[row.model_version_id, row.image.series_uid].append(row)
        else:
            single.append(row)
    return single, series


def _is_gap(row: Screening) -> bool:
    """Whether a slice lacks its score. One that the gate kept out, as a series' first and last may be, does not."""
    kept_out = row.code == NotAssessed.NOT_CHEST or row.image.not_assessed in KEPT_OUT
    return row.state in WITHOUT_SCORE and not kept_out


def _summarised(study: Study, series: Series) -> list[SeriesResult]:
    if not series:
        return []
    versions = ModelVersion.objects.defer("card").in_bulk({version for version, _ in series})
    results = []
    for (version_id, series_uid), group in series.items():
        version = versions[version_id]
        thresholds = _applied(group) or thresholds_of(site_ids=[study.site_id], version=version)[study.site_id]
        result = summarise(study_id=study.pk, version=version, rows=group, thresholds=thresholds)
        result.series_uid = series_uid
        results.append(result)
    SeriesResult.objects.bulk_create(
        results,
        update_conflicts=True,
        unique_fields=["study", "model_version", "pipeline", "series_uid"],
        update_fields=["outcome", "code", "slices", "scores", "thresholds", "flagged"],
    )
    return results


def _applied(rows: Sequence[Screening]) -> dict[str, float]:
    """The operating points under which the last of these slices was scored; none if none was.

    Not those of now: a study that is judged again because another model looked at it keeps its flags.
    """
    scored = [row for row in rows if row.state == ScreeningState.SCORED and row.done_at is not None]
    return dict(max(scored, key=_when).thresholds) if scored else {}


def _when(row: Screening) -> datetime:
    return row.done_at or datetime.min.replace(tzinfo=UTC)
