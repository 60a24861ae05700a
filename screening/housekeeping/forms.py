"""What an administrator fills in about keeping and deleting."""

from typing import Any, Final

from django import forms
from django.utils.translation import gettext_lazy as _

from screening.users.models import Site

LONGEST_DAYS: Final = 3_650
LONGEST_FAILED_DAYS: Final = 90


def _days(*, label: Any, help_text: Any, least: int, most: int, required: bool) -> forms.IntegerField:
    widget = forms.NumberInput(attrs={"class": "form-control"})
    return forms.IntegerField(
        label=label, help_text=help_text, min_value=least, max_value=most, required=required, widget=widget
    )


class RetentionForm(forms.Form):
    """After how many days what is deleted."""

    study_days = _days(
        label=_("Delete studies after, days"),
        help_text=_("Since the study was last complete. Empty: studies are never deleted by age."),
        least=1,
        most=LONGEST_DAYS,
        required=False,
    )
    failed_days = _days(
        label=_("Delete the bytes of failed files after, days"),
        help_text=_("They still name their patients, and are kept for “Try again what failed” alone."),
        least=0,
        most=LONGEST_FAILED_DAYS,
        required=True,
    )
    keep_unread = forms.BooleanField(label=_("Keep studies that wait for a reader"), required=False)

    @classmethod
    def initial_of(cls, site: Site) -> dict[str, Any]:
        """The fields as a site decided them."""
        return {name: getattr(site, name) for name in cls.base_fields}
