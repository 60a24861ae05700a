"""What people type: shapes and words only; rules are in the services."""

from typing import Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm, UsernameField
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.utils.translation import gettext_lazy as _

from screening.people.tokens import LONGEST_DAYS
from screening.users.models import Membership, Reads, Role, Scope, Site, User
from screening.users.roles import SCOPES_OF

LONGEST_HOURS = 24 * 365
PLAIN_NAME = RegexValidator(r"^[\w.@+-]+\Z", _("Letters, digits and @ . + - _ only."))


def _text(**attributes: Any) -> forms.TextInput:
    return forms.TextInput(attrs={"class": "form-control", **attributes})


def _password(**attributes: Any) -> forms.PasswordInput:
    return forms.PasswordInput(attrs={"class": "form-control", **attributes})


class SignInForm(AuthenticationForm):
    """Name and password. One answer for a wrong name, a wrong password and a closed account."""

    username = UsernameField(label=_("User name"), widget=_text(autofocus=True, autocomplete="username"))
    password = forms.CharField(label=_("Password"), strip=False, widget=_password(autocomplete="current-password"))

    error_messages = {
        "invalid_login": _("This name and password do not belong together."),
        "inactive": _("This name and password do not belong together."),
    }


class PasswordForm(forms.Form):
    """A new password; the old one too, where there is one."""

    old = forms.CharField(label=_("Present password"), strip=False, widget=_password(autocomplete="current-password"))
    new = forms.CharField(
        label=_("New password"),
        strip=False,
        help_text=_("At least 8 characters, not a common word and not your name."),
        widget=_password(autocomplete="new-password"),
    )
    again = forms.CharField(label=_("New password again"), strip=False, widget=_password(autocomplete="new-password"))

    def __init__(self, user: User, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user
        if not user.has_usable_password():
            del self.fields["old"]

    def clean_old(self) -> str:
        old: str = self.cleaned_data["old"]
        if not self.user.check_password(old):
            raise ValidationError(_("This is not your present password."))
        return old

    def clean_new(self) -> str:
        new: str = self.cleaned_data["new"]
        validate_password(new, self.user)
        return new

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if "new" in cleaned and cleaned["new"] != cleaned.get("again"):
            self.add_error("again", _("The two passwords differ."))
        return cleaned


class JoinForm(forms.Form):
    """The account that an invitation opens."""

    username = UsernameField(
        label=_("User name"),
        max_length=150,
        validators=[PLAIN_NAME],
        help_text=_("Other members of the site see it."),
        widget=_text(autocomplete="username"),
    )
    password = forms.CharField(
        label=_("Password"),
        strip=False,
        help_text=_("At least 8 characters, not a common word and not your name."),
        widget=_password(autocomplete="new-password"),
    )
    again = forms.CharField(label=_("Password again"), strip=False, widget=_password(autocomplete="new-password"))

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        password = cleaned.get("password")
        if password is None:
            return cleaned
        if password != cleaned.get("again"):
            self.add_error("again", _("The two passwords differ."))
        try:
            validate_password(password, User(username=cleaned.get("username", "")))
        except ValidationError as error:
            self.add_error("password", error)
        return cleaned


class AcceptForm(forms.Form):
    """That the disclaimer was read and is accepted."""

    accept = forms.BooleanField(label=_("I have read this and accept it."))


class TokenForm(forms.Form):
    """A token for a program, within what the person's role at the site holds."""

    name = forms.CharField(
        label=_("Name"),
        max_length=80,
        help_text=_("What will use it, for example “archive of ward 3”."),
        widget=_text(autocomplete="off"),
    )
    site = forms.ModelChoiceField(
        label=_("Site"),
        queryset=Site.objects.none(),
        empty_label=None,
        widget=forms.Select(attrs={"class": "form-select"}),
    )
    scopes = forms.MultipleChoiceField(label=_("It may"), choices=Scope.choices, widget=forms.CheckboxSelectMultiple)
    days = forms.IntegerField(
        label=_("Ends after, days"),
        min_value=1,
        max_value=LONGEST_DAYS,
        initial=90,
        widget=forms.NumberInput(attrs={"class": "form-control"}),
    )
    accept = forms.BooleanField(
        label=_("I accept the disclaimer for this program: what it shows to people carries it too.")
    )

    def __init__(self, memberships: list[Membership], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.roles = {membership.site_id: Role(membership.role) for membership in memberships}
        self._site.queryset = Site.objects.filter(pk__in=self.roles)
        self._site.initial = next(iter(self.roles), None)
        offered = {scope for role in self.roles.values() for scope in SCOPES_OF[role]}
        self._scopes.choices = [(scope.value, scope.label) for scope in Scope if scope in offered]

    @property
    def _site(self) -> "forms.ModelChoiceField[Site]":
        field = self.fields["site"]
        assert isinstance(field, forms.ModelChoiceField)
        return field

    @property
    def _scopes(self) -> forms.MultipleChoiceField:
        field = self.fields["scopes"]
        assert isinstance(field, forms.MultipleChoiceField)
        return field

    def clean_scopes(self) -> list[Scope]:
        return [Scope(value) for value in self.cleaned_data["scopes"]]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if {"site", "scopes"} <= cleaned.keys():
            beyond = set(cleaned["scopes"]) - set(SCOPES_OF[self.roles[cleaned["site"].pk]])
            if beyond:
                self.add_error(
                    "scopes",
                    _("Your role at this site does not hold: %s.")
                    % ", ".join(sorted(str(scope.label) for scope in beyond)),
                )
        return cleaned


class RoleForm(forms.Form):
    """A role: of an invitation, or of a member."""

    role = forms.ChoiceField(label=_("Role"), choices=Role.choices, widget=forms.Select(attrs={"class": "form-select"}))

    def clean_role(self) -> Role:
        return Role(self.cleaned_data["role"])


class PolicyForm(forms.Form):
    """What a site decides for all its pictures."""

    hold_burned_in = forms.BooleanField(label=_("Hold back pictures that may carry burned-in text"), required=False)
    mask_text = forms.BooleanField(label=_("Fill what seems to be burned-in text with black"), required=False)


def _hours(label: Any, help_text: Any) -> forms.IntegerField:
    widget = forms.NumberInput(attrs={"class": "form-control"})
    return forms.IntegerField(label=label, help_text=help_text, min_value=1, max_value=LONGEST_HOURS, widget=widget)


class LimitsForm(forms.Form):
    """By when a site's studies are to be read, and which of them."""

    flagged_hours = _hours(
        _("Flagged, hours"), _("Within so many hours after it was complete, a study that is flagged or not assessed.")
    )
    rest_hours = _hours(_("The rest, hours"), _("Not shorter than for the flagged."))
    reads = forms.ChoiceField(
        label=_("Readers read"), choices=Reads.choices, widget=forms.Select(attrs={"class": "form-select"})
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("rest_hours", LONGEST_HOURS) < cleaned.get("flagged_hours", 0):
            self.add_error("rest_hours", _("The rest cannot be due before the flagged."))
        return cleaned
