"""Refusals of housekeeping."""

from django.utils.translation import gettext_lazy as _

from screening.errors import ScreeningError


class VersionInUse(ScreeningError):
    """A model version was to be retired that sites decided on."""

    code = "version_in_use"
    http_status = 409
    what_to_do = _("Let the sites switch on their page Upgrades first, or say that it is to be retired all the same.")
