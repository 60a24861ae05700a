"""How many processor cores a graph may use, and how a batch is shared out among them.

A batch that all cores compute together waits, operation after operation, for the slowest: beside one busy process, on
two cores, that cost OpenVINO a third of its speed and TensorFlow a fifth. So each core gets pictures of its own.
"""

import math
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

TURNS: Final = 4  # pieces of a large batch for each core: one that was held up leaves some to the others
LARGEST: Final = 4  # planes in a piece
CUT: Final = f"{TURNS} {LARGEST}"  # of what is remembered about this machine
QUOTA: Final = Path("/sys/fs/cgroup/cpu.max")  # of a container: microseconds of processor time, in so many


def cores(quota: Path = QUOTA) -> int:
    """Give the number of cores that this process may run on, or as many as its container is given time for."""
    here = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with suppress(OSError, ValueError):  # no such file, or no limit ("max")
        most, period = quota.read_text(encoding="utf-8").split()
        here = min(here, max(1, math.ceil(int(most) / int(period))))
    return here


def pieces(planes: NDArray[np.uint8], among: int) -> list[NDArray[np.uint8]]:
    """Cut a batch `(n, ...)` into pieces of 1 to LARGEST planes, in their order: views, small enough for TURNS each."""
    size = min(LARGEST, -(-len(planes) // (TURNS * among)))
    return [planes[at : at + size] for at in range(0, len(planes), size)]
