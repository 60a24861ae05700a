"""What the command ends with. 1 is a bug; 2 is a wrong word on the command line, or no login."""

from enum import IntEnum


class Exit(IntEnum):
    """The outcomes that a script can tell apart."""

    DONE = 0  # every file and every result has its outcome
    USAGE = 2
    WITHOUT_OUTCOME = 3  # some failed, were not sent, were cancelled or are not done yet
    REFUSED = 4  # the service said no
    NOT_PERMITTED = 5  # the token is over, unknown or lacks what is needed
    UNREACHABLE = 6  # no answer, or busy for longer than was waited
    NOT_FINISHED = 7  # `--timeout` is over; the work goes on
    INTERRUPTED = 130


class Misused(Exception):
    """Something that the person at the terminal can put right."""
