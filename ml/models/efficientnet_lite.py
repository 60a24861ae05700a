"""EfficientNet-Lite for gray pictures, batch normalisation folded into the convolutions.

Source: Tan and Le, EfficientNet, ICML 2019 (arXiv:1905.11946); the Lite variants of Google's TPU
repository leave out squeeze-and-excitation, use ReLU6, and keep stem and head at fixed width, and the
first and the last stage at fixed depth.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, partial
from math import ceil
from typing import Any, Final

from ml.models.families.chain import Chain, Family, convolution, in_turn, rectified
from ml.models.families.neck import Neck
from ml.models.scaling import LITE

STEM_CHANNELS: Final = 32
FEATURES: Final = 1280
GRAY_MEAN: Final = LITE.gray_mean
GRAY_SCALE: Final = LITE.gray_scale


@dataclass(frozen=True, slots=True)
class Block:
    """One inverted bottleneck: widen, filter each channel, narrow."""

    kernel: int
    stride: int
    widen: int
    channels_in: int
    channels_out: int

    @property
    def adds_its_input(self) -> bool:
        return self.stride == 1 and self.channels_in == self.channels_out


@dataclass(frozen=True, slots=True)
class Variant:
    """How much wider and deeper than Lite0."""

    name: str
    width: float
    depth: float

    def channels(self, of_lite0: int) -> int:
        """Return a number of channels: the nearest multiple of 8, at least nine tenths of the exact one."""
        exact = of_lite0 * self.width
        nearest = max(8, int(exact + 4) // 8 * 8)
        return nearest if nearest >= 0.9 * exact else nearest + 8


LITE0: Final = Variant("efficientnet_lite0", 1.0, 1.0)
LITE1: Final = Variant("efficientnet_lite1", 1.0, 1.1)
LITE2: Final = Variant("efficientnet_lite2", 1.1, 1.2)

STAGES: Final = (  # repeats, then the first block of the stage
    (1, Block(3, 1, 1, 32, 16)),
    (2, Block(3, 2, 6, 16, 24)),
    (2, Block(5, 2, 6, 24, 40)),
    (3, Block(3, 2, 6, 40, 80)),
    (3, Block(5, 1, 6, 80, 112)),
    (4, Block(5, 2, 6, 112, 192)),
    (1, Block(3, 1, 6, 192, 320)),
)


def blocks(variant: Variant = LITE0) -> Iterator[Block]:
    """Yield the blocks, 16 of them in Lite0, in the order of the data."""
    for place, (repeats, first) in enumerate(STAGES):
        into, out = variant.channels(first.channels_in), variant.channels(first.channels_out)
        yield Block(first.kernel, first.stride, first.widen, into, out)
        is_fixed = place in (0, len(STAGES) - 1)
        for _ in range((repeats if is_fixed else ceil(repeats * variant.depth)) - 1):
            yield Block(first.kernel, 1, first.widen, out, out)


@cache
def family(variant: Variant) -> Family:
    """Return a variant as a chain. Layers are `stem`, `block<i>_widen`, `_filter`, `_narrow` and `head`."""
    return Family(
        name=variant.name,
        stem=rectified(convolution("stem", STEM_CHANNELS, 3, 2), 6.0),
        blocks=tuple(partial(_block, number, block) for number, block in enumerate(blocks(variant))),
        closing=rectified(convolution("head", FEATURES, 1), 6.0),
        scaling=LITE,
        smallest=32,
    )


def build_trunk(side: int, first_block: int = 0, variant: Variant = LITE0) -> Any:
    """Build the trunk as a Keras model, weights not yet set.

    Args:
        side: Rows and columns of the input, pixels.
        first_block: Leave out the stem and the blocks before this one; 0 builds everything.
        variant: Which of the Lite variants.

    Returns:
        `keras.Model`: float32 `(n, side, side, 1)`, normalised as `(gray - 127) / 128`, to float32
        `(n, 1280)`. With `first_block`, the input is what that block takes.
    """
    chain = Chain(family(variant), LITE, Neck())
    return chain.build_rear(side, first_block) if first_block else chain.build(side)


def build_front(side: int, first_block: int, variant: Variant = LITE0) -> Any:
    """Build what `build_trunk(side, first_block)` leaves out: the stem and the blocks before it."""
    return Chain(family(variant), LITE, Neck()).build_front(side, first_block)


def stride_before(block: int) -> int:
    """Return by how much the input of a block of Lite0 is smaller than the picture."""
    stride = 2  # the stem
    for number, one in enumerate(blocks()):
        if number == block:
            break
        stride *= one.stride
    return stride


def _block(number: int, block: Block, data: Any) -> Any:
    import keras  # noqa: PLC0415 - TensorFlow

    name = f"block{number}"
    widen = rectified(convolution(f"{name}_widen", block.channels_in * block.widen, 1), 6.0)
    narrow = convolution(f"{name}_narrow", block.channels_out, 1)
    given = narrow(
        in_turn(*([widen] if block.widen != 1 else []), rectified(partial(_filtered, name, block), 6.0))(data)
    )
    return keras.layers.Add()([data, given]) if block.adds_its_input else given


def _filtered(name: str, block: Block, data: Any) -> Any:
    import keras  # noqa: PLC0415 - TensorFlow

    layer = keras.layers.DepthwiseConv2D(block.kernel, strides=block.stride, padding="same", name=f"{name}_filter")
    return layer(data)
