"""The numbers of a bundle: safetensors in, arrays out, and into the layers of a trunk."""

import hashlib
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from ml.models.bundle import Bundle
from ml.models.card import BundleError

Weights = dict[str, NDArray[np.float32]]
TRUNK: Final = "trunk/"
HEAD_KERNEL: Final = "head/kernel"  # (features, labels)
HEAD_BIAS: Final = "head/bias"  # (labels,); the temperature is divided in
OOD_MEAN: Final = "ood/mean"  # (features,)
OOD_PROJECTION: Final = "ood/projection"  # (features, directions); whitens
BEFORE_A_SUM: Final = ("_narrow", "_3_conv", "sepconv2_wide", "sepconv3_wide")  # layers that close a branch


def read_weights(path: Path) -> Weights:
    """Read every tensor as float32, whatever it is stored as.

    Raises:
        BundleError: `weights_unreadable`.
    """
    try:
        stored = load_file(path)
    except (SafetensorError, OSError, ValueError) as problem:
        raise BundleError(
            "weights_unreadable",
            f"{path.name} is not a readable safetensors file: {problem}.",
            "Restore the bundle from where it was released.",
        ) from problem
    return {name: array.astype(np.float32) for name, array in stored.items()}


def read_bundle(bundle: Bundle) -> Weights:
    """Read all tensors of a bundle, those of a trunk in a file of its own among them.

    Raises:
        BundleError: `weights_unreadable`.
    """
    weights = read_weights(bundle.weights)
    return weights if bundle.trunk is None else weights | read_weights(bundle.trunk)


def write_weights(path: Path, trunk: Mapping[str, NDArray[np.float32]], rest: Weights) -> None:
    """Write a bundle's weights: the trunk in half precision, head and distance in single."""
    tensors: dict[str, NDArray[Any]] = {TRUNK + name: array.astype(np.float16) for name, array in trunk.items()}
    tensors |= {name: array.astype(np.float32) for name, array in rest.items()}
    save_file({name: np.ascontiguousarray(tensors[name]) for name in sorted(tensors)}, path)
    path.chmod(0o644)  # safetensors writes for the owner alone; a bundle is read by other users too


def trunk_of(weights: Weights) -> Weights:
    """Return the trunk's tensors under the names of its layers."""
    return {name.removeprefix(TRUNK): array for name, array in weights.items() if name.startswith(TRUNK)}


def fill(model: Any, trunk: Mapping[str, NDArray[np.float32]]) -> None:
    """Put `<layer>/kernel`, `<layer>/bias` and so on into the layers of a Keras model.

    Tensors of layers that the model does not have are left alone, so that a part of a trunk can be filled.

    Raises:
        BundleError: `weights_do_not_fit`, if a tensor is missing or has another shape.
    """
    for layer in model.layers:
        if not layer.weights:
            continue
        names = [f"{layer.name}/{variable.name}" for variable in layer.weights]
        wanted = [tuple(variable.shape) for variable in layer.weights]
        found = [trunk[name].shape if name in trunk else None for name in names]
        if wanted != found:
            raise BundleError(
                "weights_do_not_fit",
                f"Layer {layer.name!r} takes arrays of shapes {wanted}, the file holds {found}.",
                "Restore the bundle, or train it for this architecture.",
            )
        layer.set_weights([trunk[name] for name in names])


def taken_from(model: Any) -> Weights:
    """Return the weights of a Keras model under the names that `fill` reads."""
    return {
        f"{layer.name}/{variable.name}": np.asarray(array)
        for layer in model.layers
        for variable, array in zip(layer.weights, layer.get_weights(), strict=True)
    }


def rounded(trunk: Mapping[str, NDArray[np.float32]]) -> Weights:
    """Return weights as a bundle will store them: what is fitted on them is what is shipped."""
    return {name: array.astype(np.float16).astype(np.float32) for name, array in trunk.items()}


def digest(weights: Mapping[str, NDArray[np.float32]]) -> str:
    """Hash arrays by name, shape and value, whatever file they came from: 64 hexadecimal digits."""
    told = hashlib.sha256()
    for name in sorted(weights):
        array = np.ascontiguousarray(weights[name], np.float32)
        told.update(f"{name}{array.shape}".encode())
        told.update(array.data)
    return told.hexdigest()


def drawn(model: Any, seed: int) -> Weights:
    """Draw weights for a Keras model, the same for a seed whatever else is drawn.

    Kernels are normal with variance 2 / inputs; the last ones of branches that are added to their input are a
    quarter of that, so that what passes many units does not grow without end. Biases are 0, gains 1.

    Source:
        He et al., Delving Deep into Rectifiers, ICCV 2015 (arXiv:1502.01852).
    """
    return {name: _drawn(name, array.shape, seed) for name, array in taken_from(model).items()}


def _drawn(name: str, shape: tuple[int, ...], seed: int) -> NDArray[np.float32]:
    if name.endswith("/bias"):
        return np.zeros(shape, np.float32)
    is_deep = shape[-1] == 1 and len(shape) == 4 and shape[2] > 1
    inputs = int(np.prod(shape[:2] if is_deep else shape[:-1]))
    if is_deep and inputs == 1:
        return np.ones(shape, np.float32)
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, zlib.crc32(name.encode())])))
    gain = 0.25 if name.partition("/")[0].endswith(BEFORE_A_SUM) else 1.0
    return np.asarray(rng.standard_normal(shape, np.float32) * np.float32(gain * (2.0 / inputs) ** 0.5))


def check_head(weights: Weights, features: int, labels: int) -> None:
    """Refuse a head or a distance that does not fit the trunk and the labels.

    Raises:
        BundleError: `weights_do_not_fit`.
    """
    wanted = {HEAD_KERNEL: (features, labels), HEAD_BIAS: (labels,), OOD_MEAN: (features,)}
    found = {name: weights[name].shape if name in weights else None for name in wanted}
    projection = weights.get(OOD_PROJECTION)
    if wanted != found or projection is None or projection.ndim != 2 or projection.shape[0] != features:
        raise BundleError(
            "weights_do_not_fit",
            f"Head and distance should have the shapes {wanted}, the file holds {found}.",
            "Restore the bundle, or export it again for these labels.",
        )
