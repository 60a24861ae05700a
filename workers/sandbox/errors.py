"""Why a sandbox was not made."""

from screening.errors import ScreeningError


class SandboxExists(ScreeningError):
    """A sandbox was asked for under a name that is taken, or that does not say what it is."""

    code = "sandbox_exists"
    http_status = 409
    what_to_do = "Name a site that does not exist yet and begins with SANDBOX, with --site."


class SandboxNotFinished(ScreeningError):
    """The phantoms of a sandbox were not read in time."""

    code = "sandbox_not_finished"
    http_status = 503
    what_to_do = "See why ingest is slow, then make another sandbox under another name."
