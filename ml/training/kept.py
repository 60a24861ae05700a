"""What a run folder keeps so that a run that was stopped goes on, and how stale leftovers are refused."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.training.data import DataError


def key_of(*parts: Any) -> str:
    """Hash what decides some numbers. Parts are plain values, or anything whose `str` tells it whole."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def refuse_other(path: Path, key: str, first: Path | None = None) -> None:
    """Write down what the files beside `path` were computed from, or compare with what was written.

    Args:
        path: Where it is written.
        key: Of what they are computed from now.
        first: The first file that is computed; if it is there and nothing was written down, it is anybody's.

    Raises:
        DataError: `other_run`: they were computed from other pictures, weights or settings.
    """
    if not path.exists() and (first is None or not first.exists()):
        write_whole(path, key.encode())
    elif not path.exists() or path.read_text(encoding="utf-8") != key:
        raise DataError(
            "other_run",
            "The run folder holds the work of another configuration, other data or other weights.",
            "Name another folder, or empty this one.",
        )


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that one that was stopped halfway is not taken for whole."""
    part = path.with_name(f"{path.name}.part")
    part.write_bytes(data)
    part.replace(path)


def save_array(path: Path, array: NDArray[Any]) -> None:
    """Write a `.npy` file whole or not at all."""
    part = path.with_suffix(".part.npy")
    np.save(part, array)
    part.replace(path)


def save_arrays(path: Path, **arrays: Any) -> None:
    """Write an `.npz` file whole or not at all."""
    part = path.with_suffix(".part.npz")
    np.savez(part, **arrays)
    part.replace(path)


def load_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Read what `save_arrays` wrote; nothing if there is no such file."""
    if not path.exists():
        return {}
    with np.load(path, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}
