"""From the layers of a published Keras model to the weights of our trunk: folded, and for gray pictures."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.models.card import BundleError
from ml.models.families.chain import Family, Source
from ml.models.weights import Weights

Layer = Mapping[str, NDArray[np.float32]]  # by variable: kernel, bias, gamma, beta, moving_mean, moving_variance
Layers = Mapping[str, Layer]  # by the layer's name in the file
NUMBERED = re.compile(r"(conv2d|batch_normalization)(?:_(\d+))?")


def convert(layers: Layers, family: Family) -> tuple[Weights, set[str]]:
    """Fold batch normalisation into the convolutions and, where the trunk takes one channel, three into one.

    A gray picture repeated in three equal channels meets the sum of the first layer's kernels.

    Args:
        layers: Arrays as Keras stores them; kernels `(rows, columns, in, out)`.
        family: What they are the weights of.

    Returns:
        float32 arrays by the names of our layers, and the names in the file that were used.

    Raises:
        BundleError: `weights_do_not_fit`, naming the layer that is missing.
    """
    known, weights, used = _numbered(layers), Weights(), set[str]()
    for place, source in enumerate(family.sources):
        for name in (source.kernel, source.norm):
            if name is not None and name not in known:
                raise _missing(family, name)
            used |= {known[name][0]} if name else set()
        weights |= _made(known, source, family, is_first=place == 0)
    return weights, used


def layers_of(model: Any) -> dict[str, dict[str, NDArray[np.float32]]]:
    """Return the arrays of a Keras model by layer and variable."""
    weighted = [layer for layer in model.layers if layer.weights]
    return {layer.name: {v.name: np.asarray(v, np.float32) for v in layer.weights} for layer in weighted}


def _numbered(layers: Layers) -> dict[str, tuple[str, Layer]]:
    """Index layers by name; those that Keras named by counting, also by their place in the count: `conv2d#0`."""
    known = {name: (name, layer) for name, layer in layers.items()}
    counted: dict[str, list[tuple[int, str]]] = {}
    for name in layers:
        if match := NUMBERED.fullmatch(name):
            counted.setdefault(match[1], []).append((int(match[2] or 0), name))
    for kind, names in counted.items():
        known |= {f"{kind}#{place}": known[name] for place, (_, name) in enumerate(sorted(names))}
    return known


def _made(known: Mapping[str, tuple[str, Layer]], source: Source, family: Family, *, is_first: bool) -> Weights:
    norm = known[source.norm][1] if source.norm else None
    gain, offset = _affine(norm, family.epsilon) if norm else (np.float32(1), np.float32(0))
    if source.kernel is None:
        return {
            f"{source.layer}/kernel": np.asarray(gain, np.float32)[None, None, :, None],
            f"{source.layer}/bias": np.asarray(offset, np.float32),
        }
    layer = known[source.kernel][1]
    if source.variable not in layer:
        raise _missing(family, f"{source.kernel}/{source.variable}")
    kernel = layer[source.variable]
    if source.variable == "depthwise_kernel":
        return {f"{source.layer}/kernel": kernel}
    if is_first and not family.colours:
        kernel = kernel.sum(axis=2, keepdims=True)
    bias = layer.get("bias", np.zeros(kernel.shape[-1], np.float32))
    return {f"{source.layer}/kernel": kernel * gain, f"{source.layer}/bias": bias * gain + offset}


def _affine(norm: Layer, epsilon: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    try:
        gain = norm.get("gamma", np.float32(1)) / np.sqrt(norm["moving_variance"] + np.float32(epsilon))
        return gain, norm["beta"] - norm["moving_mean"] * gain
    except KeyError as problem:
        raise BundleError(
            "weights_do_not_fit",
            f"A batch normalisation of the file lacks {problem}.",
            "Save the weights again, whole.",
        ) from problem


def _missing(family: Family, name: str) -> BundleError:
    return BundleError(
        "weights_do_not_fit",
        f"The file holds no layer {name!r}, which {family.name} needs.",
        "Name the architecture that the file was saved from.",
    )
