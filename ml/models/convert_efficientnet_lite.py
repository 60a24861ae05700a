"""Turn a published EfficientNet-Lite state dict into the weights of our trunk, without PyTorch.

The state dict comes as a plain .npz (how to write one: docs/models.md).
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ml.models.efficientnet_lite import LITE0, Variant, blocks

BATCH_NORM_EPSILON = 1e-3  # of Google's training; PyTorch's own default would be 1e-5

State = Mapping[str, NDArray[np.float32]]


def convert(state: State, variant: Variant = LITE0) -> dict[str, NDArray[np.float32]]:
    """Convert names and axes, fold batch normalisation, and fold three equal colours into one.

    A gray picture repeated in three channels meets the sum of the stem's three kernels, so one channel
    gives the same numbers for a third of the work.

    Args:
        state: float32 arrays by the names of `efficientnet_lite_pytorch`; kernels `(out, in, rows, columns)`.
        variant: Of which network.

    Returns:
        float32 arrays named `<layer>/kernel` and `<layer>/bias`; kernels `(rows, columns, in, out)`,
        depthwise ones `(rows, columns, channels, 1)`. The classifier is left out.

    Raises:
        KeyError: the state dict is not that variant's.
    """
    weights = _folded(state, "stem", "_conv_stem", "_bn0")
    weights["stem/kernel"] = weights["stem/kernel"].sum(axis=2, keepdims=True)
    for number, block in enumerate(blocks(variant)):
        theirs, ours = f"_blocks.{number}", f"block{number}"
        if block.widen != 1:
            weights |= _folded(state, f"{ours}_widen", f"{theirs}._expand_conv", f"{theirs}._bn0")
        weights |= _folded(state, f"{ours}_filter", f"{theirs}._depthwise_conv", f"{theirs}._bn1")
        weights |= _folded(state, f"{ours}_narrow", f"{theirs}._project_conv", f"{theirs}._bn2")
    return weights | _folded(state, "head", "_conv_head", "_bn1")


def _folded(state: State, layer: str, convolution: str, normalisation: str) -> dict[str, NDArray[np.float32]]:
    gain = state[f"{normalisation}.weight"] / np.sqrt(
        state[f"{normalisation}.running_var"] + np.float32(BATCH_NORM_EPSILON)
    )
    kernel = state[f"{convolution}.weight"] * gain[:, None, None, None]
    bias = state[f"{normalisation}.bias"] - state[f"{normalisation}.running_mean"] * gain
    is_depthwise = layer.endswith("_filter")
    axes = (2, 3, 0, 1) if is_depthwise else (2, 3, 1, 0)
    return {f"{layer}/kernel": np.ascontiguousarray(kernel.transpose(axes)), f"{layer}/bias": bias}


def convert_file(source: Path, variant: Variant = LITE0) -> dict[str, NDArray[np.float32]]:
    """Convert the .npz dump at `source`; see `convert`."""
    with np.load(source, allow_pickle=False) as archive:
        return convert({name: archive[name].astype(np.float32) for name in archive.files}, variant)
