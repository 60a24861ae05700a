"""Which findings of a study are flagged, by how high a score, and whether anything of it has a score at all."""

from screening.results.models import Screening, ScreeningState, SeriesResult
from screening.results.services import flags_raised
from screening.studies.models import Study


def flagged_scores(study: Study) -> dict[str, float]:
    """The labels that flag a study, each with its highest score. The slices of a series count as the series does.

    A picture that was corrected does not count: the one that stands in its place does.
    """
    series = SeriesResult.objects.filter(study=study)
    as_series = set(series.values_list("model_version_id", "series_uid"))
    told = list(series.values_list("scores", "thresholds"))
    rows = Screening.objects.filter(study=study, flagged=True, image__superseded=False)
    for version, uid, scores, points in rows.values_list(
        "model_version_id", "image__series_uid", "scores", "thresholds"
    ):
        if (version, uid) not in as_series:
            told.append((scores, points))
    highest: dict[str, float] = {}
    for scores, points in told:
        for label in flags_raised(scores, points):
            highest[label] = max(scores.get(label, 0.0), highest.get(label, 0.0))
    return highest


def has_score(study: Study) -> bool:
    """Whether a model scored any picture or series of a study, be it a single one of hundreds."""
    pictures = Screening.objects.filter(study=study, state=ScreeningState.SCORED, image__superseded=False)
    return pictures.exists() or SeriesResult.objects.filter(study=study, outcome=ScreeningState.SCORED).exists()
