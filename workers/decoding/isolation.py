"""What a decoding process gives up before it touches a file. Linux knows all of it, others the limits only."""

import ctypes
import os
import resource
import signal
import sys
from contextlib import suppress
from typing import Final

ON_LINUX: Final = sys.platform == "linux"
CLONE_NEWUSER: Final = 0x10000000
CLONE_NEWNET: Final = 0x40000000
PR_SET_PDEATHSIG: Final = 1
PR_SET_NO_NEW_PRIVS: Final = 38
OPEN_FILES: Final = 64
WRITTEN_BYTES: Final = 4 * 1024**3  # of one file; sources are far smaller
MEBIBYTE: Final = 1024 * 1024


def leave_network() -> bool:
    """Move this process, which must have one thread, to a network without interfaces. Whether it could.

    Needs user namespaces; containers often forbid them. It is one wall among several.
    """
    if not ON_LINUX:
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    return bool(libc.unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0)


def end_with_parent() -> None:
    """Have the kernel kill this process when its parent's thread ends. Only Linux can."""
    if ON_LINUX:
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def bound(mebibytes: int) -> None:
    """Bound address space, written bytes and open files for good; leave no core files with pictures in them."""
    limits = [
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_FSIZE, WRITTEN_BYTES),
        (resource.RLIMIT_AS, mebibytes * MEBIBYTE),
    ]
    for which, value in limits:
        with suppress(ValueError, OSError):  # macOS refuses RLIMIT_AS; a lower hard limit stands already
            resource.setrlimit(which, (value, value))


def give_time(seconds: int) -> None:
    """Allow the next file `seconds` of processor time and of wall time; the kernel ends who takes more.

    RLIMIT_CPU counts the whole life of the process, so it moves on with every file.
    """
    used = resource.getrusage(resource.RUSAGE_SELF)
    allowed = int(used.ru_utime + used.ru_stime) + seconds + 1
    resource.setrlimit(resource.RLIMIT_CPU, (allowed, resource.RLIM_INFINITY))
    signal.setitimer(signal.ITIMER_REAL, seconds)


def stop_clock() -> None:
    """End the wall time of a file that was done in time."""
    signal.setitimer(signal.ITIMER_REAL, 0)


def become_child() -> None:
    """Own session, default signals, no output: decoders print header values."""
    os.setsid()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    os.close(null)
