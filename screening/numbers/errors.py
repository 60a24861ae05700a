"""Refusals of what two people decide."""

from django.utils.translation import gettext_lazy as _

from screening.errors import ScreeningError


class SecondPersonNeeded(ScreeningError):
    """Somebody was to approve what they proposed themselves."""

    code = "second_person_needed"
    http_status = 403
    what_to_do = _("Ask another administrator of the site to decide. If there is none, invite one.")


class NothingToReplay(ScreeningError):
    """A replay was asked for of versions that do not follow each other, or where nothing was screened."""

    code = "nothing_to_replay"
    what_to_do = _("Choose another active version of a model that the site screens with, once it has scored studies.")


class NothingProposed(ScreeningError):
    """A proposal was made that would change nothing, or cannot be held."""

    code = "nothing_proposed"
    what_to_do = _("Give a value above 0 and below 1 that differs from the present one, and a reason.")


class AlreadyProposed(ScreeningError):
    """Another proposal for the same waits for its decision."""

    code = "already_proposed"
    http_status = 409
    what_to_do = _("Decide the one that is open first, or withdraw it.")
