"""What a run was told and with what it was computed: all that is needed to repeat it, in `run.json`."""

import json
import platform
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from ml.models.weights import Weights, digest
from ml.training.config import Training
from ml.training.data import Example
from ml.training.kept import key_of, refuse_other, write_whole
from ml.training.layouts.collection import Collection, data_hash
from ml.training.layouts.layout import layout_told
from ml.training.linear import features_key
from ml.vocabulary import PIPELINE

FILE: Final = "run.json"
PACKAGES: Final = ("tensorflow", "tensorflow-cpu", "keras", "numpy", "scipy", "scikit-learn", "pillow", "safetensors")
REPOSITORY: Final = Path(__file__).resolve().parents[2]
NOT_REBUILT: Final = (
    "Trained on a GPU ({devices}) and not rebuilt on a processor: made again there, its numbers may differ."
)


def record(out: Path, training: Training, collection: Collection, examples: Sequence[Example], trunk: Weights) -> None:
    """Write `run.json`; a run that goes on adds its start, so that a change of versions between can be seen.

    Raises:
        DataError: `other_run`: `out` holds the work of another run.
    """
    steps = None if training.fine_tune is None else asdict(training.fine_tune)
    told = (features_key(training, trunk, examples), data_hash(examples), training.labels, training.folds, steps)
    refuse_other(out / "run.key", key_of(told))
    path = out / FILE
    starts = json.loads(path.read_text(encoding="utf-8"))["starts"] if path.exists() else []
    document = {
        "configuration": {**asdict(training), "data": layout_told(training.data)},
        "seed": training.seed,
        "pipeline": PIPELINE,
        "data": collection.told() | {"sha256": data_hash(examples), "pictures": len(examples)},
        "base": {"named": str(training.base), "trunk_sha256": digest(trunk)},
        "starts": [*starts, {"revision": revision(), "versions": versions(), "devices": devices()}],
    }
    write_whole(path, (json.dumps(document, indent=1, default=str) + "\n").encode())


def not_rebuilt(out: Path) -> tuple[str, ...]:
    """Return a limit for the card of a run that computed on a GPU at any of its starts; nothing for others.

    Sums of a GPU come in another order, and whoever has none cannot make the model again to the same numbers.
    """
    starts = json.loads((out / FILE).read_text(encoding="utf-8"))["starts"]
    found = sorted({name for start in starts for name in start["devices"][1:]})
    return (NOT_REBUILT.format(devices=", ".join(found)),) if found else ()


def versions() -> dict[str, str]:
    """Return the versions of Python and of what computes."""
    told = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            told[name] = version(name)
        except PackageNotFoundError:
            continue  # TensorFlow goes by one of two names
    return told


def devices() -> list[str]:
    """Return what TensorFlow computes on."""
    import tensorflow as tf  # noqa: PLC0415

    return [platform.machine(), *(device.name for device in tf.config.list_physical_devices("GPU"))]


def revision() -> str | None:
    """Return the commit of the code, with `+changed` if files differ from it; None outside a repository."""
    git = shutil.which("git")
    if git is None or not (REPOSITORY / ".git").exists():
        return None
    commit, changes = (_answer(git, *asked) for asked in (("rev-parse", "HEAD"), ("status", "--porcelain")))
    return None if commit is None else commit + ("+changed" if changes else "")


def _answer(git: str, *asked: str) -> str | None:
    told = subprocess.run(  # noqa: S603 - git by its full path, fixed questions
        [git, "-C", str(REPOSITORY), *asked], capture_output=True, text=True, check=False
    )
    return told.stdout.strip() if told.returncode == 0 else None
