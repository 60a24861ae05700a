"""What a flag was worth so far, told beside it: how many of 100 flags like it readers confirmed."""

from typing import Final

from django.core.cache import cache

from screening.numbers.decided import Question, last, opinions_of
from screening.numbers.figures import Flags, Ppv, flags_of, ppv
from screening.results.models import ModelVersion, Screening, SeriesResult
from screening.results.opinions import of_study
from screening.studies.models import Study

YEAR: Final = 365
REMEMBERED: Final = 600  # seconds, in this process: readers open many studies, and ten minutes change no year


def worth_of_flags(study: Study, version: ModelVersion) -> list[tuple[str, Ppv]]:
    """By label that a version flags a study with: what such flags were worth, at the point that applied to this one.

    Two questions tell the flags. What they are worth is remembered; else it is read as the page of numbers reads it.
    """
    rows = Screening.objects.filter(study=study, model_version=version, image__superseded=False)
    series = SeriesResult.objects.filter(study=study, model_version=version).select_related("model_version")
    opinions = of_study(rows.select_related("model_version", "image"), series)
    flags = [(one.label, one.threshold) for opinion in opinions for one in opinion.scores if one.reached]
    return [(label, _worth(study, version, label, point)) for label, point in flags if point is not None]


def _worth(study: Study, version: ModelVersion, label: str, point: float) -> Ppv:
    key = f"numbers:worth:{study.site_id}:{version.pk}:{label}:{point!r}".replace(" ", "_")
    flags: Flags | None = cache.get(key)
    if flags is None:
        asked = Question(site=study.site, version=version, label=label, since=last(YEAR))
        flags = flags_of(opinions_of(asked, flagged_alone=True), point=point)
        cache.set(key, flags, REMEMBERED)
    return ppv(flags, site=study.site.name, model=version.name, point=point)
