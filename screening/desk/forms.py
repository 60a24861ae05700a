"""What the people who send pictures fill in."""

from typing import Any, Final

from django import forms
from django.utils.translation import gettext_lazy as _

from screening.errors import TableUnreadable
from screening.flows.references import ReferenceRow
from screening.flows.tables import read_table
from screening.results.models import ModelVersion
from screening.uploads.models import ItemState

MOST_TABLE_BYTES: Final = 16 * 1024 * 1024


class OutcomeForm(forms.Form):
    """Which items of a receipt are shown. What makes no sense is left out, not refused."""

    outcome = forms.ChoiceField(
        required=False,
        choices=[("", _("All")), *((state, state.label) for state in ItemState if state != ItemState.DECODING)],
    )

    def chosen(self) -> str:
        """The outcome that was asked for, or nothing for all."""
        self.is_valid()
        outcome: str = self.cleaned_data.get("outcome", "")
        return outcome


class RescreenForm(forms.Form):
    """Which models are asked about the pictures of an upload."""

    models = forms.MultipleChoiceField()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["models"].choices = [(one.name, one.title) for one in ModelVersion.objects.active()]  # type: ignore[attr-defined]


class QuickForm(forms.Form):
    """One picture for a quick answer."""

    picture = forms.FileField()
    site = forms.UUIDField(required=False)


class TableForm(forms.Form):
    """A side table that names files."""

    table = forms.FileField()

    def clean_table(self) -> list[ReferenceRow]:
        """Read the rows."""
        sent = self.cleaned_data["table"]
        if sent.size > MOST_TABLE_BYTES:
            raise forms.ValidationError(_("The table is larger than 16 MB. Send it in parts."))
        try:
            return read_table(sent.read())
        except TableUnreadable as error:
            raise forms.ValidationError(str(error)) from error
