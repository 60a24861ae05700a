"""The weights that a training begins with."""

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ml.models import efficientnet_lite as lite
from ml.models.architectures import Architecture, architecture_named
from ml.models.bundle import load_bundle
from ml.models.card import BundleError
from ml.models.convert_efficientnet_lite import convert
from ml.models.families.neck import DENSE
from ml.models.keras_file import read_keras_file
from ml.models.published import convert as convert_published
from ml.models.published import layers_of
from ml.models.weights import Weights, drawn, read_bundle, read_weights, rounded, trunk_of

IMAGENET: Final = "imagenet"
NONE: Final = "none"
LITES: Final = {f"efficientnetlite{place}": one for place, one in enumerate((lite.LITE0, lite.LITE1, lite.LITE2))}
PUBLISHED: Final = {  # the names that Keras gives them; it fetches the weights when asked
    "vgg16": "VGG16",
    "resnet50": "ResNet50",
    "inceptionv3": "InceptionV3",
    "xception": "Xception",
    "densenet121": "DenseNet121",
}


def base_weights(base: Path, architecture: str = "efficientnetlite0", side: int = 224, seed: int = 0) -> Weights:
    """Return the trunk to begin with, rounded to half precision.

    Args:
        base: `imagenet` (Keras fetches the weights), `none` (drawn from the seed), a `.npz` or `.safetensors`
            file, a Keras `.h5` file, or a folder with a bundle.
        architecture: Its name, neck included; the dense layer of a neck that `base` lacks is drawn.
        side: Of the input, pixels.
        seed: For what is drawn.

    Raises:
        BundleError: `base_unknown`, `base_not_published`, `weights_do_not_fit`, or what reading a file raises.
    """
    wanted = architecture_named(architecture)
    needs_neck = wanted.neck.dense is not None
    weights = {} if str(base) == NONE else _read(base, wanted)
    if str(base) == NONE or (needs_neck and f"{DENSE}/kernel" not in weights):
        weights = drawn(wanted.build(side), seed) | weights
    return rounded(weights)


def _read(base: Path, architecture: Architecture) -> Weights:
    if str(base) == IMAGENET:
        return _published(architecture)
    if base.suffix == ".npz":
        return _from_archive(base, architecture)
    if base.suffix == ".safetensors":
        weights = read_weights(base)
        return trunk_of(weights) or weights
    if base.suffix in {".h5", ".hdf5"}:
        _refuse_unpublished(architecture, bool(architecture.family.sources))
        return convert_published(read_keras_file(base).layers, architecture.family)[0]
    if not base.is_dir():
        raise BundleError(
            "base_unknown",
            f"There is no base {str(base)!r}.",
            "Name imagenet, none, a .npz, .safetensors or .h5 file, or a folder with a bundle.",
        )
    return trunk_of(read_bundle(load_bundle(base)))


def _published(architecture: Architecture) -> Weights:
    import keras  # noqa: PLC0415 - TensorFlow

    family = architecture.family
    _refuse_unpublished(architecture, family.name in PUBLISHED)
    model = getattr(keras.applications, PUBLISHED[family.name])(weights=IMAGENET, include_top=False)
    return convert_published(layers_of(model), family)[0]


def _from_archive(base: Path, architecture: Architecture) -> Weights:
    try:
        with np.load(base, allow_pickle=False) as archive:
            arrays: dict[str, NDArray[np.float32]] = {n: archive[n].astype(np.float32) for n in archive.files}
        variant = LITES.get(architecture.name.partition("+")[0])
        return convert(arrays, variant) if variant and "_conv_stem.weight" in arrays else arrays
    except (OSError, ValueError, KeyError) as problem:
        raise BundleError(
            "weights_do_not_fit",
            f"{base.name} does not hold the weights of {architecture.name}: {problem}.",
            "Name another file or architecture (docs/models.md).",
        ) from problem


def _refuse_unpublished(architecture: Architecture, is_published: bool) -> None:  # noqa: FBT001 - one question
    if not is_published:
        raise BundleError(
            "base_not_published",
            f"Keras publishes no weights of {architecture.name}.",
            "For EfficientNet-Lite name the .npz file of docs/models.md; train the small CNN from none.",
        )
