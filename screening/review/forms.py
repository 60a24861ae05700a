"""What readers fill in."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from ml.vocabulary import marked
from screening.review.models import Answer
from screening.review.trays import Answered, Filters, Tray, states_of
from screening.studies.models import StudyState

UNUSABLE = marked("technically unusable")
REASONS = (
    ("", _("Choose a reason")),
    (marked("not a frontal chest radiograph or axial slice"), _("Not a frontal chest radiograph or axial slice")),
    (marked("poor exposure or artefacts"), _("Poor exposure or artefacts")),
    (marked("cut off or rotated"), _("Cut off or rotated")),
    (marked("resolution too low"), _("Resolution too low")),
    (UNUSABLE, _("Technically unusable")),
    (marked("other, see comment"), _("Other, see comment")),
)


_FURTHER = ("site", "modality", "finding", "score_from", "score_to", "reviewer", "age", "newest")


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
    site = forms.UUIDField(required=False)
    modality = forms.ChoiceField(required=False, choices=[("", _("Any")), ("xray", _("X-ray")), ("ct", _("CT"))])
    finding = forms.CharField(required=False, max_length=40)
    score_from = forms.FloatField(required=False, min_value=0, max_value=1)
    score_to = forms.FloatField(required=False, min_value=0, max_value=1)
    reviewer = forms.IntegerField(required=False, min_value=1)
    age = forms.TypedChoiceField(
        required=False,
        coerce=int,
        empty_value=None,
        choices=[
            ("", _("Any")),
            ("1", _("over 1 hour")),
            ("4", _("over 4 hours")),
            ("24", _("over 1 day")),
            ("72", _("over 3 days")),
            ("168", _("over 7 days")),
        ],
    )
    newest = forms.BooleanField(required=False)

    def filters(self, tray: Tray) -> Filters:
        """The filters that were understood.

        Asked for a state, or for somebody's answers, that "not answered" leaves out, the list is widened to hold them.
        """
        self.is_valid()
        given: dict[str, Any] = self.cleaned_data
        upload: UUID | None = given.get("upload")
        model: UUID | None = given.get("model")
        answered = Answered(given.get("answered") or Answered.OPEN)
        state = given.get("state") or ""
        if (state and state not in states_of(answered)) or (given.get("reviewer") and answered == Answered.OPEN):
            answered = Answered.ALL
        return Filters(
            tray=tray,
            answered=answered,
            state=state,
            upload=upload,
            model=model,
            **{name: given[name] for name in _FURTHER if given.get(name) not in {None, ""}},
        )


@dataclass(frozen=True, slots=True)
class Given:
    """One answer as the form holds it."""

    answer: str
    reason: str
    box: str = ""


def read_answers(data: QueryDict, findings: Sequence[str]) -> dict[str, Given]:
    """The answers of a submitted sheet by finding. A finding without one is left out."""
    return {finding: _read(data, finding) for finding in findings if data.get(f"answer-{finding}")}


def _read(data: QueryDict, finding: str) -> Given:
    answer = str(data.get(f"answer-{finding}", ""))
    # A reason that was chosen before another answer was is not one any more.
    reason = str(data.get(f"reason-{finding}", "")) if answer == Answer.NOT_ASSESSABLE else ""
    return Given(answer=answer, reason=reason, box=str(data.get(f"box-{finding}", "")))
