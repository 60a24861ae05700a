"""What the models said, laid out for people: one opinion per model version and study or picture."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.utils.translation import gettext as _

from ml.vocabulary import marked
from screening.results.models import PENDING, ModelVersion, Screening, ScreeningState, SeriesResult
from screening.results.selectors import FLAGGED, NOT_ASSESSED, NOT_FLAGGED, WAITING, against, flag_word, why
from screening.wording import decimal

SERIES_CAVEAT: Final = marked("Mean of the top tenth of the slices: a ranking that has not been validated.")


@dataclass(frozen=True, slots=True)
class Score:
    """One label's score, with the operating point if the label raises a flag."""

    label: str
    value: float
    threshold: float | None

    @property
    def reached(self) -> bool:
        return self.threshold is not None and self.value >= self.threshold

    @property
    def width(self) -> str:
        """The score on a scale of 100, free of the language's decimal comma: it goes into SVG."""
        return f"{self.value * 100:.2f}"

    @property
    def mark(self) -> str | None:
        return None if self.threshold is None else f"{self.threshold * 100:.2f}"

    @property
    def flags_at(self) -> str:
        """From which score on the label raises a flag, if it does."""
        return "" if self.threshold is None else _("flags at %(point)s") % {"point": decimal(self.threshold, 3)}

    @property
    def told(self) -> str:
        """The score as sentences write it."""
        return decimal(self.value, 3)


@dataclass(frozen=True, slots=True)
class Opinion:
    """One model's answer, in the words that every place uses."""

    version: ModelVersion
    word: str
    sentence: str
    scores: tuple[Score, ...] = ()
    caveat: str = ""
    code: str = ""
    image_id: UUID | None = None
    provenance: Screening | None = None

    @property
    def badge(self) -> str:
        """The word as the name of a style."""
        return self.word.replace(" ", "-")

    @property
    def lead(self) -> Score | None:
        """The score that decides: of the flag-raising labels the one nearest to, or furthest above, its point."""
        decisive = [score for score in self.scores if score.threshold is not None]
        return max(decisive, key=lambda score: score.value - (score.threshold or 0.0), default=None)


def scores_of(scores: Mapping[str, float], thresholds: Mapping[str, float], labels: Sequence[str]) -> tuple[Score, ...]:
    """Scores in the order of the model's card; labels that raise a flag first."""
    ordered = sorted(labels, key=lambda label: label not in thresholds)
    return tuple(Score(label, scores[label], thresholds.get(label)) for label in ordered if label in scores)


def of_picture(row: Screening) -> Opinion:
    """The opinion of one model on one picture."""
    return Opinion(
        version=row.model_version,
        word=flag_word(row),
        sentence=why(row),
        scores=scores_of(row.scores, row.thresholds, row.model_version.labels),
        code=row.code,
        image_id=row.image_id,
        provenance=row if row.model_sha256 else None,
    )


def of_series(result: SeriesResult) -> Opinion:
    """The opinion of one model on a series of slices."""
    version = result.model_version
    if result.outcome != ScreeningState.SCORED:
        cause = _("too few slices could be scored")
        sentence = _("Not assessed by %(model)s: %(cause)s.") % {"model": version.name, "cause": cause}
        return Opinion(version, NOT_ASSESSED, sentence, code=result.code)
    word = FLAGGED if result.flagged else NOT_FLAGGED
    scores = scores_of(result.scores, result.thresholds, version.labels)
    parts = [against(score.label, score.value, score.threshold) for score in scores if score.threshold is not None]
    told = {"model": version.name, "word": _(word), "why": "; ".join(parts), "n": result.slices}
    sentence = _("%(model)s: %(word)s: %(why)s, over %(n)s slices.") % told
    return Opinion(version, word, sentence, scores, caveat=_(SERIES_CAVEAT))


def of_study(rows: Iterable[Screening], series: Iterable[SeriesResult]) -> list[Opinion]:
    """One opinion per model version on a whole study, the most telling first.

    A series result stands for its slices. A study of several pictures without one is
    answered by the picture that decides: flagged, else not assessed, else the highest score.
    """
    by_series: dict[UUID, Opinion] = {}
    for result in series:
        opinion = of_series(result)
        known = by_series.setdefault(result.model_version_id, opinion)
        by_series[result.model_version_id] = min(known, opinion, key=_telling)
    by_model: dict[UUID, list[Opinion]] = {}
    pending: set[UUID] = set()
    for row in rows:
        if row.state in PENDING:
            pending.add(row.model_version_id)
        by_model.setdefault(row.model_version_id, []).append(of_picture(row))
    chosen = [
        by_series[key] if key in by_series and key not in pending else min(opinions, key=_telling)
        for key, opinions in by_model.items()
    ]
    return sorted(chosen, key=lambda opinion: (_telling(opinion), opinion.version.name))


_WEIGHT: Final = {FLAGGED: 0, NOT_ASSESSED: 1, WAITING: 2, NOT_FLAGGED: 3}


def _telling(opinion: Opinion) -> tuple[int, float]:
    lead = opinion.lead
    return (_WEIGHT[opinion.word], -lead.value if lead else 0.0)
