"""What is said where the store of pictures cannot be had. Each passes: whoever asked tries again."""

from django.utils.translation import gettext_lazy as _

from screening.errors import ScreeningError


class StoreAway(ScreeningError):
    """The store of pictures does not answer; nothing was changed by it."""

    code = "store_away"
    http_status = 503
    what_to_do = _("Try again in a few seconds; what was stored before is kept. Tell the operator if it stays.")


class StoreRefused(StoreAway):
    """The store of pictures answers and does not let this service in: bucket, keys or their rights are wrong."""

    code = "store_refused"
    what_to_do = _("Tell the operator: the log says what the store refused. What was stored before is kept.")
