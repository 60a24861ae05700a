"""The state of a tuning after an epoch, so that one that was stopped goes on as if it had not been."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ml.training.kept import load_arrays, save_arrays


def save_state(path: Path, epoch: int, variables: Sequence[Any]) -> None:
    """Write the epoch that was finished and every variable: weights, averages, optimisers, random states."""
    arrays = {f"v{place:05d}": variable.numpy() for place, variable in enumerate(variables)}
    save_arrays(path, epoch=epoch, **arrays)


def load_state(path: Path, variables: Sequence[Any]) -> int:
    """Put a kept state back; return the last epoch that was finished, 0 if nothing was kept."""
    stored = load_arrays(path)
    if not stored:
        return 0
    for place, variable in enumerate(variables):
        variable.assign(stored[f"v{place:05d}"])
    return int(stored["epoch"])
