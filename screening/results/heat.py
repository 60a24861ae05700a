"""Heat maps in words: what there is for each picture and model, and what can be asked for."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.utils.translation import gettext as _

from ml.vocabulary import marked
from screening.results.models import Explanation, ExplanationState, Screening, ScreeningState
from screening.results.opinions import Score, of_picture
from screening.wording import percent

NOT_ASKED: Final = "not asked for"
PENDING: Final = (ExplanationState.WAITING, ExplanationState.LEASED)
CAVEAT: Final = marked(
    "Where the score comes from, not whether it is right. Each map is scaled to its own hottest place."
)
FIELDS: Final = {"field-1": marked(", two ellipses over 58% of what the model sees")}
PARTS: Final = {
    "original": marked("whole"),
    "no_lungs": marked("lungs blanked"),
    "border_only": marked("border only"),
}
AFTER_ALL: Final = marked(
    "No heat map yet: it is drawn once the study is complete, and of a series by itself for the leading slice alone."
)
_PENDING: Final = {
    ExplanationState.WAITING: marked("The heat map waits to be drawn."),
    ExplanationState.LEASED: marked("The heat map is being drawn."),
}
_CAUSES: Final = {
    "plane_missing": marked("the stored plane is gone"),
    "preview_missing": marked("the stored preview is gone"),
    "model_unavailable": marked("the model could not be loaded"),
    "quarantined": marked("it ended a worker twice"),
    "not_drawn": marked("the model failed on it"),
}


@dataclass(frozen=True, slots=True)
class HeatLine:
    """One label of one model on one picture, and its map if there is one."""

    screening: Screening
    label: str
    score: float
    explanation: Explanation | None

    @property
    def state(self) -> str:
        """Waiting, drawn or failed; not asked for where there is no row."""
        if self.explanation is None:
            return NOT_ASKED
        return "waiting" if self.explanation.state in PENDING else self.explanation.state

    @property
    def parts(self) -> tuple[tuple[str, Score], ...]:
        """The score with parts of the picture taken away, by what is left."""
        altered = self.explanation.altered if self.explanation is not None else {}
        point = self.screening.thresholds.get(self.label)
        return tuple((words, Score(_(words), altered[name], point)) for name, words in PARTS.items() if name in altered)

    @property
    def sentence(self) -> str:
        """What the map says, or why there is none."""
        told = self.explanation
        if told is None:
            return _(AFTER_ALL) if self.screening.flagged else _("No heat map was drawn: the score raised no flag.")
        if told.state == ExplanationState.FAILED:
            cause = _(_CAUSES[told.code]) if told.code in _CAUSES else _("nothing says why")
            return _("The heat map could not be drawn: %(cause)s.") % {"cause": cause}
        if told.state in PENDING:
            return _(_PENDING[ExplanationState(told.state)])
        if told.outside is None:
            return _("Nothing in this picture raises the %(label)s score.") % {"label": self.label}
        field = _(FIELDS[told.field]) if told.field in FIELDS else ""
        share = percent(told.outside)
        return _("%(share)s of the heat lies outside the central field%(field)s.") % {"share": share, "field": field}


def heat_of(images: Iterable[UUID]) -> dict[UUID, list[HeatLine]]:
    """Of each picture: a line for every map, and one for a model's leading label that has none."""
    keys = list(images)
    scored = Screening.objects.filter(image__in=keys, state=ScreeningState.SCORED).select_related(
        "model_version", "image"
    )
    maps: defaultdict[UUID, list[Explanation]] = defaultdict(list)
    rows = list(scored.order_by("model_version__slug", "created_at"))
    for explanation in Explanation.objects.filter(screening__in=rows).order_by("label"):
        maps[explanation.screening_id].append(explanation)
    found: dict[UUID, list[HeatLine]] = {key: [] for key in keys}
    for row in _latest(rows):
        found[row.image_id] += _lines(row, maps[row.pk])
    return found


def _latest(rows: Sequence[Screening]) -> list[Screening]:
    return list({(row.image_id, row.model_version_id): row for row in rows}.values())


def _lines(row: Screening, maps: Sequence[Explanation]) -> list[HeatLine]:
    lead = of_picture(row).lead
    lines = [HeatLine(row, told.label, row.scores[told.label], told) for told in maps if told.label in row.scores]
    if lead is not None and lead.label not in {line.label for line in lines}:
        lines.append(HeatLine(row, lead.label, lead.value, None))
    return lines
