"""The arrays of a Keras file as trunk and head of a bundle."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ml.models import weights as w
from ml.models.architectures import Architecture, refuse_side
from ml.models.card import BundleError
from ml.models.families.neck import DENSE
from ml.models.keras_file import Arrays
from ml.models.published import convert


def refuse_unpublished(architecture: Architecture) -> None:
    """Raise `BundleError`, `import_not_published`, if Keras has no model whose weights these could be."""
    if not architecture.family.sources or architecture.neck.levels is not None:
        raise BundleError(
            "import_not_published",
            f"There is no Keras model of {architecture.name} to import from.",
            "Import a VGG16, ResNet50, InceptionV3, Xception, DenseNet121 or the small CNN.",
        )


def weights_of(layers: Arrays, architecture: Architecture, side: int, labels: int) -> tuple[w.Weights, w.Weights]:
    """Return the trunk, and head and distance; the distance of a model of unknown pictures is always 0.

    Raises:
        BundleError: `weights_do_not_fit`, `import_layers_left`, `import_head_differs`,
            `import_not_finite` or `side_too_small`.
    """
    trunk, used = convert(layers, architecture.family)
    dense = _dense({name: layer for name, layer in layers.items() if name not in used}, architecture)
    if architecture.neck.dense:
        trunk |= {f"{DENSE}/{part}": array for part, array in dense[0].items()}
    refuse_side(architecture, side)
    model = architecture.build(side)
    w.fill(model, trunk)
    kernel, bias = _two_or_more(dense[-1]["kernel"], dense[-1]["bias"])
    features = model.output_shape[-1]
    if kernel.shape != (features, labels):
        raise _head_differs(f"its last layer is {kernel.shape}, {features} features and {labels} labels were expected")
    head = {
        w.HEAD_KERNEL: kernel,
        w.HEAD_BIAS: bias,
        w.OOD_MEAN: np.zeros(features, np.float32),
        w.OOD_PROJECTION: np.zeros((features, 1), np.float32),
    }
    _refuse_not_finite(trunk | head)
    return trunk, head


def _refuse_not_finite(weights: w.Weights) -> None:
    with np.errstate(over="ignore"):
        odd = [name for name, array in weights.items() if not np.isfinite(array.astype(np.float16)).all()]
    if odd:
        raise BundleError(
            "import_not_finite",
            f"The weights {', '.join(sorted(odd)[:4])} hold NaN, infinity or more than half precision can.",
            "Save the weights of an epoch that worked.",
        )


def _dense(rest: Arrays, architecture: Architecture) -> list[Mapping[str, NDArray[np.float32]]]:
    odd = [name for name, layer in rest.items() if set(layer) != {"kernel", "bias"} or layer["kernel"].ndim != 2]
    if odd:
        raise BundleError(
            "import_layers_left",
            f"The file holds layers that {architecture.name} does not have: {', '.join(sorted(odd)[:8])}.",
            "Name the architecture that the file was saved from.",
        )
    dense = list(rest.values())
    shapes = " then ".join(str(layer["kernel"].shape) for layer in dense) or "no dense layer"
    if len(dense) != (2 if architecture.neck.dense else 1):
        raise _head_differs(f"it holds {shapes} after the trunk")
    return [*dense]


def _two_or_more(
    kernel: NDArray[np.float32], bias: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Write one output z with a sigmoid as two with a softmax: -z/2 and z/2 give the same numbers."""
    if kernel.shape[1] > 1:
        return kernel, bias
    half, half_bias = kernel / np.float32(2), bias / np.float32(2)
    return np.concatenate([-half, half], axis=1), np.concatenate([-half_bias, half_bias])


def _head_differs(what: str) -> BundleError:
    return BundleError(
        "import_head_differs",
        f"The head does not fit: {what}.",
        "Name pooling and dense layer with the architecture, such as vgg16+unit+pool4+dense64, and every label.",
    )
