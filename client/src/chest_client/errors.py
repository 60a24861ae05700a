"""What can go wrong: the service said no, could not be reached, or answered something else."""

from collections.abc import Sequence
from typing import Final

from chest_client.local import LocalFile


class ClientError(Exception):
    """Base of every failure that this package knows."""

    code: str = "error"
    message: str = "The request failed."
    what_to_do: str = "Try again."

    def __init__(self, message: str | None = None, what_to_do: str | None = None, code: str | None = None) -> None:
        self.message = message or type(self).message
        self.what_to_do = type(self).what_to_do if what_to_do is None else what_to_do
        self.code = code or type(self).code
        super().__init__(" ".join(part for part in (self.message, self.what_to_do) if part))


class Unreachable(ClientError):
    """No answer came: whether the service did what was asked is not known."""

    code = "unreachable"
    message = "The service did not answer."
    what_to_do = "Check its address and that it runs."


class UnexpectedAnswer(ClientError):
    """An answer that is none of this API: a proxy's page, or a newer version of the service."""

    code = "unexpected_answer"
    what_to_do = "Check that the address is that of the service, and that the versions fit."


class TookTooLong(ClientError):
    """The time that was given is over; the work goes on at the service."""

    code = "took_too_long"
    message = "The upload is not finished yet."
    what_to_do = "Wait again; nothing is lost."


class ChangedHere(ClientError):
    """Files of a request are no longer what was offered; nothing was sent."""

    code = "changed_here"
    message = "Files changed, or could no longer be read, since they were hashed."
    what_to_do = "Send them again once nothing writes to them."

    def __init__(self, files: Sequence[LocalFile]) -> None:
        super().__init__()
        self.files = tuple(files)


class Refused(ClientError):
    """The service said no. `code` is stable: match on it."""

    def __init__(
        self,
        status: int,
        *,
        code: str = "error",
        message: str = "",
        what_to_do: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message or f"The service answered {status}.", what_to_do, code)
        self.status = status
        self.retry_after = retry_after  # seconds


class NotSignedIn(Refused):
    """The token is missing, unknown or over (401)."""


class NotAllowed(Refused):
    """The caller sees it and may not do this (403)."""


class NotFound(Refused):
    """It does not exist, or the caller may not see it (404)."""


class Conflict(Refused):
    """It does not fit what is there: a closed upload, another count, a reused key (409)."""


class TooLarge(Refused):
    """More than a limit allows (413)."""


class Busy(Refused):
    """Not now: too many requests (429), a busy service (502, 503, 504), or no room (507)."""


KINDS: Final[dict[int, type[Refused]]] = {
    401: NotSignedIn,
    403: NotAllowed,
    404: NotFound,
    409: Conflict,
    413: TooLarge,
    429: Busy,
    502: Busy,
    503: Busy,
    504: Busy,
    507: Busy,
}
