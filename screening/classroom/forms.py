"""What a teacher fills in: shapes and words only; rules are in the services."""

from typing import Any, Final

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext_lazy as _

from screening.classes.errors import LabelsUnreadable
from screening.classes.labels import LabelRow, read_labels
from screening.classes.matching import rows_sent_along
from screening.uploads.models import Upload
from screening.users.models import User

MOST_BYTES: Final = 4 * 1024 * 1024


class LabelsForm(forms.Form):
    """A table of labels, or none: then the labels of the side table that the upload was given."""

    table = forms.FileField(
        label=_("Table of labels"),
        required=False,
        help_text=_(
            "A CSV with the columns file and label. Without one, the labels of the upload's side table are taken."
        ),
        widget=forms.FileInput(attrs={"class": "form-control", "accept": ".csv,text/csv"}),
    )

    def rows(self, upload: Upload) -> list[LabelRow]:
        """The rows that were sent, or those that came with the upload.

        Raises:
            LabelsUnreadable: there are none, or they cannot be read.
        """
        sent: UploadedFile[Any] | None = self.cleaned_data.get("table")
        if sent is None:
            rows = rows_sent_along(upload)
            if not rows:
                raise LabelsUnreadable("No table was sent, and the upload was given no labels.")
            return rows
        if sent.size is None or sent.size > MOST_BYTES:
            raise LabelsUnreadable("The table is larger than 4 MB.")
        return read_labels(sent.read())


class UploadField(forms.ModelChoiceField):  # type: ignore[type-arg] # it cannot be subscripted at run time
    """An upload by its name and its time."""

    def label_from_instance(self, obj: Upload) -> str:
        return f"{obj.name or _('Unnamed upload')}, {obj.created_at:%Y-%m-%d %H:%M}"


class SetForm(LabelsForm):
    """A new set."""

    field_order = ("name", "upload", "finding", "table")
    name = forms.CharField(
        label=_("Name"),
        max_length=120,
        help_text=_("The readers see it: let it tell nothing of what the pictures show."),
        widget=forms.TextInput(attrs={"class": "form-control", "autocomplete": "off"}),
    )
    upload = UploadField(
        label=_("Pictures of the upload"),
        queryset=Upload.objects.none(),
        empty_label=None,
        widget=forms.Select(attrs={"class": "form-select"}),
    )
    finding = forms.ChoiceField(label=_("Question"), widget=forms.Select(attrs={"class": "form-select"}))

    def __init__(self, uploads: Any, findings: list[tuple[str, str]], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        chosen, asked = self.fields["upload"], self.fields["finding"]
        assert isinstance(chosen, forms.ModelChoiceField)
        assert isinstance(asked, forms.ChoiceField)
        chosen.queryset = uploads
        asked.choices = findings


class ReadersForm(forms.Form):
    """Who reads."""

    readers = forms.TypedMultipleChoiceField(coerce=int, required=False)

    def __init__(self, offered: list[User], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["readers"]
        assert isinstance(field, forms.TypedMultipleChoiceField)
        field.choices = [(user.pk, user.username) for user in offered]


class SureForm(forms.Form):
    """That somebody means it."""

    sure = forms.BooleanField()
