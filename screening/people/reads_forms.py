"""What an administrator fills in about reading."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from screening.users.models import Site


def _number(*, most: float, step: float) -> forms.NumberInput:
    return forms.NumberInput(attrs={"class": "form-control", "min": 0, "max": most, "step": step})


class PercentField(forms.FloatField):
    """A share, typed in percent. An empty one is none."""

    def __init__(self, **more: Any) -> None:
        widget = _number(most=100, step=0.1)
        super().__init__(min_value=0, max_value=100, required=False, widget=widget, **more)

    def prepare_value(self, value: Any) -> Any:
        """What stands in the field: what was typed, or a stored share as percent."""
        return round(value * 100, 4) if isinstance(value, float) else value

    def clean(self, value: Any) -> Any:
        """Give the share."""
        return (super().clean(value) or 0.0) / 100


class ReadsForm(forms.Form):
    """What a site decides about reading."""

    blinded = forms.BooleanField(label=_("Reviewers read blinded"), required=False)
    sample_share = PercentField(label=_("Not flagged, drawn to be read, %"))
    mixed_share = PercentField(label=_("Flagged, read blinded among them, %"))
    second_share = PercentField(label=_("Answered, drawn for a second reader, %"))
    second_when_unsure = forms.BooleanField(label=_("A second reader where the first is unsure"), required=False)
    second_dismissed_from = forms.FloatField(
        label=_("A second reader for a dismissed flag with a score from"),
        min_value=0,
        max_value=1,
        required=False,
        widget=_number(most=1, step=0.01),
    )

    @classmethod
    def of(cls, site: Site) -> "ReadsForm":
        """The form as a site's policy stands."""
        initial = {name: getattr(site, name) for name in cls.base_fields if name != "blinded"}
        return cls(initial={**initial, "blinded": bool(site.blinded_since)}, prefix="reads")
