"""Become a command that ends when its parent ends.

Run as a script, before any package can be found: `python -I -S tether.py PARENT SIGNAL COMMAND...`

Only Linux can tie a process to its parent. Elsewhere the command runs untied, and the next start
of the supervisor ends what was left behind.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h; kept across execve


def main(parent: int, number: int, command: list[str]) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, number)
        if os.getppid() != parent:  # it ended before the tie was made
            sys.exit(f"the parent of {command[0]} is gone; start it again")
    os.execvp(command[0], command)  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
