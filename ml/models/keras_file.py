"""Read the arrays of a Keras `.h5` file, and the text that describes its layers. Nothing in it is ever run.

Source: the layout that Keras 1 to 3 write for `model.save("x.h5")` and that Keras 1 and 2 write for
`model.save_weights("x.h5")`: attributes `layer_names` and `weight_names`, one dataset per variable.
"""

from collections import Counter
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Final

import h5py  # type: ignore[import-untyped]  # comes with Keras
import numpy as np
from numpy.typing import NDArray

from ml.models.card import BundleError

MOST_BYTES: Final = 2 * 1024**3  # of all arrays together, as they unpack
Arrays = dict[str, dict[str, NDArray[np.float32]]]


@dataclass(frozen=True, slots=True)
class KerasFile:
    """Arrays by layer and variable, in the order of the file, and the configuration if one was saved too."""

    layers: Arrays
    config: str | None


def read_keras_file(path: Path) -> KerasFile:
    """Read a file of weights, or a whole saved model's weights.

    Raises:
        BundleError: `import_file_unreadable`, `import_format_unknown` or `import_too_large`.
    """
    try:
        with h5py.File(path, "r") as file:
            group = file.get("model_weights", file)
            config = file.attrs.get("model_config")
            return KerasFile(_layers(group, path), None if config is None else _text(config))
    except (OSError, KeyError, ValueError, TypeError, RuntimeError, UnicodeDecodeError) as problem:
        raise BundleError(
            "import_file_unreadable",
            f"{path.name} is not a readable HDF5 file: {type(problem).__name__}: {problem}.",
            'Save the weights again: model.save_weights("weights.h5").',
        ) from problem


def _layers(group: Any, path: Path) -> Arrays:
    if not _has(group, "layer_names"):
        raise BundleError(
            "import_format_unknown",
            f"{path.name} holds no layer_names: it is not the .h5 layout that Keras 2 writes.",
            'With Keras 3, write model.save("model.h5") instead of a .weights.h5 or .keras file.',
        )
    found: list[tuple[tuple[str, ...], NDArray[np.float32]]] = []
    left = MOST_BYTES
    for layer in _names(group, "layer_names"):
        for name in _names(group[layer], "weight_names"):
            array = _array(group[layer], name, left)
            left -= array.nbytes
            found.append((tuple(name.rpartition(":")[0].split("/") if ":" in name else name.split("/")), array))
    return _by_layer(found)


def _by_layer(found: list[tuple[tuple[str, ...], NDArray[np.float32]]]) -> Arrays:
    """Name layers by the last part of their path, or by all of it if last parts repeat."""
    repeats = any(count > 1 for count in Counter(path[-2:] for path, _ in found).values())
    layers: Arrays = {}
    for path, array in found:
        layer = "_".join(path[:-1]) if repeats else path[-2]
        layers.setdefault(layer, {})[path[-1]] = array
    return layers


def _array(group: Any, name: str, most: int) -> NDArray[np.float32]:
    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
        raise BundleError(
            "import_format_unknown",
            f"The array {name!r} lies outside the file.",
            "Save the weights in one file.",
        )
    data = group[name]
    if not isinstance(data, h5py.Dataset) or data.external or data.is_virtual or data.dtype.kind != "f":
        raise BundleError(
            "import_format_unknown",
            f"{name!r} is no array of floating-point numbers within the file.",
            "Save the weights alone.",
        )
    if data.size * 4 > most:
        raise BundleError("import_too_large", "The arrays unpack to more than 2 GB.", "Save the weights alone.")
    return np.asarray(data[()], np.float32)


def _has(group: Any, name: str) -> bool:
    return name in group.attrs or f"{name}0" in group.attrs


def _names(group: Any, name: str) -> list[str]:
    """Read a list of names; Keras divides one that is longer than 64 kB in parts with a number."""
    if name in group.attrs:
        return [_text(one) for one in group.attrs[name]]
    names: list[str] = []
    for part in count():
        if f"{name}{part}" not in group.attrs:
            break
        names += [_text(one) for one in group.attrs[f"{name}{part}"]]
    return names


def _text(value: Any) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)
