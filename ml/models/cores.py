"""How many processor cores a graph may use, and how a batch is shared out among them.

A batch that all cores compute together waits, operation after operation, for the slowest core: beside decoders, on two
cores, that cost OpenVINO two fifths of its speed and TensorFlow a quarter. So each core gets pictures of its own.
"""

import os
from typing import Final

import numpy as np
from numpy.typing import NDArray

TURNS: Final = 4  # pieces of a batch for each core at least: a core that was held up leaves the rest to the others
LARGEST: Final = 4  # planes in a piece


def cores() -> int:
    """Give the number of cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def pieces(planes: NDArray[np.uint8], among: int) -> list[NDArray[np.uint8]]:
    """Cut a batch `(n, ...)` into pieces of 1 to LARGEST planes, in their order: views, TURNS for each core or more."""
    size = min(LARGEST, -(-len(planes) // (TURNS * among)))
    return [planes[at : at + size] for at in range(0, len(planes), size)]
