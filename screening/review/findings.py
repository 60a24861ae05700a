"""What a reader is asked. Never about the AI, and never for a diagnosis."""

from dataclasses import dataclass
from typing import Final

from django.utils.translation import gettext as _

from ml.vocabulary import marked
from screening.studies.models import Study


@dataclass(frozen=True, slots=True)
class Finding:
    """One question to a reader. Its slug is the label of the models that flag it, or that of no model."""

    slug: str
    question: str


# Where no model asks, a reader still says what they see. No model flags it, so it is in no figure about models.
UNSPECIFIED: Final = "unspecified"
QUESTIONS: Final = {
    "covid": marked("Opacities of a pattern reported in COVID-19"),
    "pneumonia": marked("Opacities that suggest pneumonia"),
    UNSPECIFIED: marked("Any finding that needs attention"),
}


def findings_of(study: Study) -> list[Finding]:
    """The findings that the models of this study raise flags for, each asked once; one in general if there is none.

    So every study asks something, and an empty answer answers none.
    """
    labels: dict[str, None] = {}
    for flag_labels in study.screenings.values_list("model_version__flag_labels", flat=True).distinct():
        labels |= dict.fromkeys(flag_labels)
    return [Finding(label, _question(label)) for label in labels or (UNSPECIFIED,)]


def _question(label: str) -> str:
    known = QUESTIONS.get(label)
    return _(known) if known else label.replace("_", " ").capitalize()
