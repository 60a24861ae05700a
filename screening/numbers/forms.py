"""What people type on these pages: shapes and words only; rules are in the services."""

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from screening.numbers.history import DAYS
from screening.numbers.points import PLACES
from screening.results.models import ModelVersion


def periods() -> list[tuple[str, str]]:
    """The choices of how far back, in the language of now."""
    return [(str(days), gettext("%(days)s days") % {"days": days}) for days in DAYS]


class PointForm(forms.Form):
    """Another operating point, tried on a period of stored scores."""

    value = forms.FloatField(
        label=_("Another operating point"),
        min_value=10**-PLACES,
        max_value=1 - 10**-PLACES,
        widget=forms.NumberInput(attrs={"class": "form-control", "step": "any", "inputmode": "decimal"}),
    )
    days = forms.TypedChoiceField(
        label=_("On the scores of the last"),
        coerce=int,
        choices=periods,
        widget=forms.Select(attrs={"class": "form-select"}),
    )


class ProposalForm(forms.Form):
    """A proposal: the value that was tried, and why."""

    value = forms.FloatField()
    reason = forms.CharField(
        label=_("Reason, for your colleague and the audit"),
        max_length=400,
        help_text=_("No names of patients, no file names."),
        widget=forms.TextInput(attrs={"class": "form-control", "autocomplete": "off"}),
    )


class DaysForm(forms.Form):
    """How far back."""

    days = forms.TypedChoiceField(coerce=int, choices=periods)


class ReplayForm(forms.Form):
    """Two versions of one model, and on how many of the latest studies the new one is tried."""

    old = forms.ModelChoiceField(ModelVersion.objects.active())
    new = forms.ModelChoiceField(ModelVersion.objects.active())
    studies = forms.TypedChoiceField(coerce=int, choices=[(str(number), str(number)) for number in (20, 50, 200)])
