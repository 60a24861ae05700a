"""The converted trunk against PyTorch's own arithmetic, written out, and against published figures."""

import numpy as np
import pytest

from ml.models.architectures import architecture_named
from ml.models.card import BundleError
from ml.models.convert_efficientnet_lite import BATCH_NORM_EPSILON, convert
from ml.models.efficientnet_lite import blocks, build_front, build_trunk, stride_before
from ml.models.weights import fill, taken_from

SIDE = 64


def published(seed: int = 0) -> dict[str, np.ndarray]:
    """A state dict of the published names and shapes, holding drawn numbers."""
    rng = np.random.Generator(np.random.PCG64(seed))
    state: dict[str, np.ndarray] = {}

    def convolution(name: str, norm: str, out: int, into: int, kernel: int) -> None:
        scale = (2 / (into * kernel * kernel)) ** 0.5
        state[f"{name}.weight"] = rng.normal(0, scale, (out, into, kernel, kernel)).astype(np.float32)
        state[f"{norm}.weight"] = rng.uniform(0.8, 1.2, out).astype(np.float32)
        state[f"{norm}.bias"] = rng.normal(0, 0.2, out).astype(np.float32)
        state[f"{norm}.running_mean"] = rng.normal(0, 0.2, out).astype(np.float32)
        state[f"{norm}.running_var"] = rng.uniform(0.5, 1.5, out).astype(np.float32)

    convolution("_conv_stem", "_bn0", 32, 3, 3)
    for number, block in enumerate(blocks()):
        own, wide = f"_blocks.{number}", block.channels_in * block.widen
        if block.widen != 1:
            convolution(f"{own}._expand_conv", f"{own}._bn0", wide, block.channels_in, 1)
        convolution(f"{own}._depthwise_conv", f"{own}._bn1", wide, 1, block.kernel)
        convolution(f"{own}._project_conv", f"{own}._bn2", block.channels_out, wide, 1)
    convolution("_conv_head", "_bn1", 1280, 320, 1)
    return state


def convolved(x: np.ndarray, kernel: np.ndarray, stride: int, groups: int) -> np.ndarray:
    """Convolve as the published model does: padding "same", the odd pixel below and right. (channels, rows, columns)"""
    size, rows = kernel.shape[-1], x.shape[1]
    out = -(-rows // stride)
    pad = max((out - 1) * stride + size - rows, 0)
    padded = np.pad(x, ((0, 0), (pad // 2, pad - pad // 2), (pad // 2, pad - pad // 2)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (size, size), axis=(1, 2))[:, ::stride, ::stride]
    if groups == 1:
        return np.einsum("crsij,ocij->ors", windows, kernel, optimize=True)
    return np.einsum("crsij,cij->crs", windows, kernel[:, 0], optimize=True)


def straightforward(state: dict[str, np.ndarray], gray: np.ndarray) -> np.ndarray:
    """Compute the features with three equal colours and batch normalisation as they were published."""

    def layer(
        x: np.ndarray, name: str, norm: str, stride: int, *, deep: bool = False, active: bool = True
    ) -> np.ndarray:
        x = convolved(x, state[f"{name}.weight"].astype(np.float64), stride, len(x) if deep else 1)
        mean, variance = state[f"{norm}.running_mean"], state[f"{norm}.running_var"]
        gain = state[f"{norm}.weight"] / np.sqrt(variance + BATCH_NORM_EPSILON)
        x = (x - mean[:, None, None]) * gain[:, None, None] + state[f"{norm}.bias"][:, None, None]
        return np.clip(x, 0, 6) if active else x

    x = layer(np.repeat(gray[None], 3, axis=0), "_conv_stem", "_bn0", 2)
    for number, block in enumerate(blocks()):
        own, before = f"_blocks.{number}", x
        if block.widen != 1:
            x = layer(x, f"{own}._expand_conv", f"{own}._bn0", 1)
        x = layer(x, f"{own}._depthwise_conv", f"{own}._bn1", block.stride, deep=True)
        x = layer(x, f"{own}._project_conv", f"{own}._bn2", 1, active=False)
        x = x + before if block.adds_its_input else x
    return layer(x, "_conv_head", "_bn1", 1).mean(axis=(1, 2))


def test_the_conversion_gives_the_numbers_of_the_published_arithmetic():
    state = published()
    gray = np.random.Generator(np.random.PCG64(1)).uniform(-1, 1, (SIDE, SIDE))
    trunk = build_trunk(SIDE)
    fill(trunk, convert(state))

    features = np.asarray(trunk(gray[None, :, :, None].astype(np.float32)))[0]

    expected = straightforward(state, gray)
    assert expected.std() > 0.05
    assert np.abs(features - expected).max() < 1e-3 * np.abs(expected).max()


def test_front_and_rear_together_are_the_trunk():
    weights = convert(published())
    gray = np.random.Generator(np.random.PCG64(2)).uniform(-1, 1, (1, SIDE, SIDE, 1)).astype(np.float32)
    trunk, front, rear = build_trunk(SIDE), build_front(SIDE, 5), build_trunk(SIDE, first_block=5)
    for part in (trunk, front, rear):
        fill(part, weights)

    joined = np.asarray(rear(front(gray)))

    assert np.abs(joined - np.asarray(trunk(gray))).max() < 1e-5


def test_weights_come_back_as_they_were_filled_in():
    weights = convert(published())
    trunk = build_trunk(SIDE)

    fill(trunk, weights)

    back = taken_from(trunk)
    assert back.keys() == weights.keys()
    assert all(np.array_equal(back[name], weights[name]) for name in weights)


def test_there_are_3_4_million_weights_in_16_blocks():
    assert len(list(blocks())) == 16
    assert sum(array.size for array in convert(published()).values()) == 3_349_424


@pytest.mark.parametrize(("block", "stride"), [(0, 2), (1, 2), (3, 4), (5, 8), (8, 16), (15, 32)])
def test_the_input_of_a_block_is_smaller_by_the_strides_before_it(block: int, stride: int):
    assert stride_before(block) == stride


def test_a_state_dict_of_another_model_is_refused():
    state = published()
    del state["_blocks.15._project_conv.weight"]

    with pytest.raises(KeyError, match=r"_blocks\.15\._project_conv\.weight"):
        convert(state)


def test_weights_of_another_shape_leave_no_doubt_which_layer():
    weights = convert(published()) | {"block3_filter/bias": np.zeros(7, np.float32)}

    with pytest.raises(BundleError, match="block3_filter") as refused:
        fill(build_trunk(SIDE), weights)

    assert refused.value.code == "weights_do_not_fit"


def test_an_unknown_architecture_is_told_which_are_known():
    with pytest.raises(BundleError, match="efficientnetlite0") as refused:
        architecture_named("vgg99")

    assert refused.value.code == "architecture_unknown"
