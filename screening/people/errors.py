"""Why an act on a site's pseudonym key was refused."""

from django.utils.translation import gettext_lazy as _

from screening.errors import ScreeningError


class NotYourself(ScreeningError):
    """An act that asks for one's password again came with a wrong one, or by somebody who has none."""

    code = "not_yourself"
    http_status = 403
    what_to_do = _("Give the password of your account; if you have none yet, set one on the page Password first.")


class KeyNotChanged(ScreeningError):
    """A new pseudonym key could not be put in its place."""

    code = "key_not_changed"
    http_status = 507
    what_to_do = _("The old key stands. Make room for the service's keys, then try again; tell the operator.")
