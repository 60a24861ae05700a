"""What people type: shapes and words only; rules are in the services."""

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from screening.hooks.addresses import LONGEST_URL, AddressRefused, read_url
from screening.outbox.models import CHOSEN_KINDS, EventKind


class EndpointForm(forms.Form):
    """An address and the events that are sent there."""

    url = forms.CharField(
        label=_("Address"),
        max_length=LONGEST_URL,
        help_text=_("A public https address of a program of yours, such as https://ris.example.org/hooks."),
        widget=forms.TextInput(attrs={"class": "form-control", "inputmode": "url", "autocomplete": "off"}),
    )
    kinds = forms.MultipleChoiceField(
        label=_("Events"),
        choices=[(kind.value, kind.label) for kind in CHOSEN_KINDS],
        widget=forms.CheckboxSelectMultiple(),
    )

    def clean_url(self) -> str:
        """Refuse at once what no name server need be asked about."""
        url = str(self.cleaned_data["url"])
        try:
            read_url(url, settings.CONFIG.webhooks)
        except AddressRefused as refusal:
            raise ValidationError(str(refusal), code=refusal.code) from refusal
        return url

    def clean_kinds(self) -> list[EventKind]:
        return [EventKind(value) for value in self.cleaned_data["kinds"]]


class MailForm(forms.Form):
    """Whether and where somebody wants e-mail."""

    address = forms.EmailField(
        max_length=254,
        label=_("E-mail address"),
        widget=forms.EmailInput(attrs={"class": "form-control", "autocomplete": "email"}),
    )
    uploads = forms.BooleanField(label=_("When an upload of mine is finished"), required=False)
