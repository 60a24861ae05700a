"""Compare a Keras model's description with the architecture it is said to be. It is read as text and never run."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ml.models.architectures import Architecture
from ml.models.card import BundleError
from ml.models.keras_file import Arrays

Entry = Mapping[str, Any]  # "class_name" and "config" of one layer

CONVOLUTIONS: Final = {"Conv2D", "DepthwiseConv2D", "SeparableConv2D"}
TRUNK: Final = CONVOLUTIONS | {"BatchNormalization", "Add", "Concatenate"}
KNOWN: Final = TRUNK | {
    *("InputLayer", "Activation", "ReLU", "ZeroPadding2D", "MaxPooling2D", "AveragePooling2D"),
    *("GlobalAveragePooling2D", "Flatten", "Dropout", "Dense"),
}
NESTED: Final = {"Functional", "Model", "Sequential"}


@dataclass(frozen=True, slots=True)
class Described:
    """What only the description tells."""

    side: int | None  # pixels, if one is fixed


def check_config(text: str, architecture: Architecture, layers: Arrays) -> Described:
    """Refuse a description that computes something else than our trunk with a linear head.

    Args:
        text: The JSON that Keras keeps with a model.
        architecture: What the weights are said to be of.
        layers: The arrays of the file.

    Raises:
        BundleError: `import_config_unreadable`; `import_layer_unknown` for a layer that is code or that our
            trunks do not have; `import_config_differs` if it contradicts arrays, trunk or neck.
    """
    try:
        entries = list(_entries(json.loads(text)))
        _refuse_unknown(entries)
        _compare_arrays(entries, layers)
        if not any(source.norm for source in architecture.family.sources):
            _compare_chain(entries, architecture)
        _compare_neck(entries, architecture)
        return Described(_side(entries))
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as problem:
        raise BundleError(
            "import_config_unreadable",
            f"The description of the layers cannot be understood: {type(problem).__name__}: {problem}.",
            "Give the weights alone, or the JSON of model.to_json().",
        ) from problem


def _entries(document: Any) -> Iterator[Entry]:
    """Yield the layers of a model, those of models within it in their place."""
    config = document["config"]
    for entry in config if isinstance(config, list) else config["layers"]:
        if entry["class_name"] in NESTED:
            yield from _entries(entry)
        else:
            yield entry


def _refuse_unknown(entries: list[Entry]) -> None:
    unknown = sorted({str(entry["class_name"]) for entry in entries} - KNOWN)
    if unknown:
        raise BundleError(
            "import_layer_unknown",
            f"The model has layers that are code or that no architecture here has: {', '.join(unknown)}.",
            "Only plain trunks with a dense head can be imported.",
        )


def _compare_arrays(entries: list[Entry], layers: Arrays) -> None:
    described = {str(entry["config"]["name"]): entry["config"] for entry in entries}
    for name, arrays in layers.items():
        if name not in described:
            raise _differs(f"it names no layer {name!r}, which the weights hold")
        kernel = arrays.get("kernel")
        width = described[name].get("units") or described[name].get("filters")
        if kernel is not None and width is not None and kernel.shape[-1] != width:
            raise _differs(f"layer {name!r} should give {width}, its weights give {kernel.shape[-1]}")


def _compare_chain(entries: list[Entry], architecture: Architecture) -> None:
    """Compare convolutions and poolings one by one, where the trunk is a single chain."""
    ours = [
        (type(layer).__name__, *_shape(layer.get_config()))
        for layer in architecture.build(max(architecture.family.smallest, 128)).layers
        if type(layer).__name__ in {"Conv2D", "MaxPooling2D"}
    ]
    theirs = [
        (entry["class_name"], *_shape(entry["config"]))
        for entry in entries
        if entry["class_name"] in {"Conv2D", "MaxPooling2D"}
    ]
    if ours != theirs:
        place = next((n for n, pair in enumerate(zip(ours, theirs, strict=False)) if pair[0] != pair[1]), len(ours))
        raise _differs(f"convolutions and poolings differ from {architecture.name} at the {place + 1}. of them")
    wrong = {e["config"]["activation"] for e in entries if e["class_name"] == "Conv2D"} - {"relu"}
    if wrong:
        raise _differs(f"convolutions are followed by {wrong}, not by relu")


def _shape(config: Mapping[str, Any]) -> tuple[Any, ...]:
    size = config.get("kernel_size") or config.get("pool_size")
    return config.get("filters"), _pair(size), _pair(config["strides"]), config["padding"]


def _pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (value[0], value[1])


def _compare_neck(entries: list[Entry], architecture: Architecture) -> None:
    last = max(place for place, entry in enumerate(entries) if entry["class_name"] in TRUNK)
    tail = entries[last + 1 :]
    pool = "average"
    for entry in tail:
        if entry["class_name"] == "AveragePooling2D":
            pool = f"pool{_pair(entry['config']['pool_size'])[0]}"
        elif entry["class_name"] == "Flatten" and pool == "average" and not _has(tail, "GlobalAveragePooling2D"):
            pool = "flatten"
    if pool != architecture.neck.pool:
        raise _differs(f"its places are pooled by {pool!r}, those of {architecture.name} by {architecture.neck.pool!r}")
    *hidden, last_dense = [entry["config"] for entry in tail if entry["class_name"] == "Dense"]
    if any(one["activation"] != "relu" for one in hidden):
        raise _differs("a hidden dense layer is not followed by relu")
    wanted = "sigmoid" if last_dense["units"] == 1 else "softmax"
    if last_dense["activation"] != wanted:
        raise _differs(f"its last layer ends in {last_dense['activation']!r}, not in {wanted}")


def _has(entries: list[Entry], class_name: str) -> bool:
    return any(entry["class_name"] == class_name for entry in entries)


def _side(entries: list[Entry]) -> int | None:
    for entry in entries:
        config = entry["config"]
        shape = config.get("batch_shape") or config.get("batch_input_shape")
        if shape:
            _, rows, columns, _ = shape
            if rows != columns:
                raise _differs(f"its pictures are {rows} x {columns}, not square")
            return None if rows is None else int(rows)
    return None


def _differs(what: str) -> BundleError:
    return BundleError(
        "import_config_differs",
        f"The description of the layers does not fit: {what}.",
        "Name the architecture that was trained, its neck included (docs/models.md).",
    )
