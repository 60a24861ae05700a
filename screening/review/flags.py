"""Which findings of a study are flagged, and by how high a score."""

from screening.results.models import Screening, SeriesResult
from screening.results.services import flags_raised
from screening.studies.models import Study


def flagged_scores(study: Study) -> dict[str, float]:
    """The labels that flag a study, each with its highest score. The slices of a series count as the series does."""
    series = SeriesResult.objects.filter(study=study)
    as_series = set(series.values_list("model_version_id", "series_uid"))
    told = list(series.values_list("scores", "thresholds"))
    rows = Screening.objects.filter(study=study, flagged=True)
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
