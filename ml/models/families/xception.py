"""Xception, batch normalisation folded into the convolutions.

Source: Chollet, Xception: Deep Learning with Depthwise Separable Convolutions, CVPR 2017 (arXiv:1610.02357).
"""

from collections.abc import Iterator
from typing import Any, Final

from ml.models.families.chain import Family, Part, Source, convolution, in_turn, max_pooled, rectified, relu
from ml.models.scaling import SYMMETRIC

NARROWING: Final = {2: (128, 128), 3: (256, 256), 4: (728, 728), 13: (728, 1024)}  # block: channels of its two
MIDDLE: Final = range(5, 13)  # three of 728 each
LAST: Final = (1536, 2048)


def _separable(name: str, channels: int) -> Part:
    def part(data: Any) -> Any:
        import keras  # noqa: PLC0415 - TensorFlow

        deep = keras.layers.DepthwiseConv2D(3, padding="same", use_bias=False, name=f"{name}_deep")
        return convolution(f"{name}_wide", channels, 1)(deep(data))

    return part


def _narrowing(number: int) -> Part:
    first, second = NARROWING[number]
    before = [] if number == 2 else [relu]  # what comes to block 2 is rectified already
    name = f"block{number}_sepconv"
    branch = in_turn(
        *before, _separable(f"{name}1", first), relu, _separable(f"{name}2", second), max_pooled(3, 2, "same")
    )
    shortcut = convolution(f"block{number}_shortcut", second, 1, 2)
    return _added(branch, shortcut)


def _middle(number: int) -> Part:
    names = [f"block{number}_sepconv{place}" for place in (1, 2, 3)]
    return _added(in_turn(*(part for name in names for part in (relu, _separable(name, 728)))), lambda data: data)


def _added(branch: Part, shortcut: Part) -> Part:
    def part(data: Any) -> Any:
        import keras  # noqa: PLC0415 - TensorFlow

        return keras.layers.Add()([branch(data), shortcut(data)])

    return part


def _sources() -> Iterator[Source]:
    for place in (1, 2):
        yield Source(f"block1_conv{place}", kernel=f"block1_conv{place}", norm=f"block1_conv{place}_bn")
    for number in range(2, 15):
        for place in (1, 2, 3) if number in MIDDLE else (1, 2):
            name = f"block{number}_sepconv{place}"
            yield Source(f"{name}_deep", kernel=name, variable="depthwise_kernel")
            yield Source(f"{name}_wide", kernel=name, norm=f"{name}_bn", variable="pointwise_kernel")
    for place, number in enumerate(NARROWING):
        yield Source(f"block{number}_shortcut", kernel=f"conv2d#{place}", norm=f"batch_normalization#{place}")


XCEPTION: Final = Family(
    name="xception",
    stem=in_turn(
        rectified(convolution("block1_conv1", 32, 3, 2, "valid")),
        rectified(convolution("block1_conv2", 64, 3, 1, "valid")),
    ),
    blocks=tuple(_narrowing(number) if number in NARROWING else _middle(number) for number in range(2, 14)),
    closing=in_turn(
        rectified(_separable("block14_sepconv1", LAST[0])), rectified(_separable("block14_sepconv2", LAST[1]))
    ),
    scaling=SYMMETRIC,
    smallest=71,
    sources=tuple(_sources()),
)
