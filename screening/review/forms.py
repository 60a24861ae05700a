"""What readers fill in."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from screening.review.models import Answer
from screening.review.trays import Answered, Filters, Tray
from screening.studies.models import StudyState

REASONS = (
    ("", _("Choose a reason")),
    ("not a frontal chest radiograph or axial slice", _("Not a frontal chest radiograph or axial slice")),
    ("poor exposure or artefacts", _("Poor exposure or artefacts")),
    ("cut off or rotated", _("Cut off or rotated")),
    ("resolution too low", _("Resolution too low")),
    ("other, see comment", _("Other, see comment")),
)


class FilterForm(forms.Form):
    """The filters of a tray. What makes no sense is left out, not refused: an old address still opens."""

    answered = forms.ChoiceField(
        required=False,
        choices=[(Answered.OPEN, _("Not answered")), (Answered.ANSWERED, _("Answered")), (Answered.ALL, _("All"))],
    )
    state = forms.ChoiceField(
        required=False,
        choices=[
            ("", _("Any")),
            (StudyState.READY, _("Ready")),
            (StudyState.INCOMPLETE, _("Incomplete")),
            (StudyState.REVIEWED, _("Reviewed")),
        ],
    )
    upload = forms.UUIDField(required=False)
    model = forms.UUIDField(required=False)

    def filters(self, tray: Tray) -> Filters:
        """The filters that were understood."""
        self.is_valid()
        given: dict[str, Any] = self.cleaned_data
        upload: UUID | None = given.get("upload")
        model: UUID | None = given.get("model")
        return Filters(
            tray=tray,
            answered=Answered(given.get("answered") or Answered.OPEN),
            state=given.get("state") or "",
            upload=upload,
            model=model,
        )


@dataclass(frozen=True, slots=True)
class Given:
    """One answer as the form holds it."""

    answer: str
    reason: str


def read_answers(data: QueryDict, findings: Sequence[str]) -> dict[str, Given]:
    """The answers of a submitted sheet by finding. A finding without one is left out."""
    return {finding: _read(data, finding) for finding in findings if data.get(f"answer-{finding}")}


def _read(data: QueryDict, finding: str) -> Given:
    answer = str(data.get(f"answer-{finding}", ""))
    # A reason that was chosen before another answer was is not one any more.
    reason = str(data.get(f"reason-{finding}", "")) if answer == Answer.NOT_ASSESSABLE else ""
    return Given(answer=answer, reason=reason)
