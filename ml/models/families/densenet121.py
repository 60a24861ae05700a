"""DenseNet121. Batch normalisation stands before a convolution here and is kept as a gain per channel.

Source: Huang et al., Densely Connected Convolutional Networks, CVPR 2017 (arXiv:1608.06993).
"""

from collections.abc import Iterator
from typing import Any, Final

from ml.models.families.chain import (
    Family,
    Part,
    Source,
    convolution,
    in_turn,
    max_pooled,
    padded,
    pooled,
    rectified,
    relu,
    scaled_by_channel,
)
from ml.models.scaling import TORCH

UNITS: Final = (6, 12, 24, 16)
GROWTH: Final = 32
FIRST: Final = 64


def _unit(name: str) -> Part:
    branch = in_turn(
        scaled_by_channel(f"{name}_0_bn"),
        relu,
        rectified(convolution(f"{name}_1_conv", 4 * GROWTH, 1)),
        convolution(f"{name}_2_conv", GROWTH, 3),
    )

    def unit(data: Any) -> Any:
        import keras  # noqa: PLC0415 - TensorFlow

        return keras.layers.Concatenate()([data, branch(data)])

    return unit


def _parts() -> Iterator[tuple[Part, tuple[Source, ...]]]:
    """Yield units and the transitions between them, each with where its weights come from."""
    channels = FIRST
    for stage, count in enumerate(UNITS, 2):
        for place in range(1, count + 1):
            name = f"conv{stage}_block{place}"
            yield _unit(name), _sources_of_unit(name)
        channels += count * GROWTH
        if stage - 1 < len(UNITS):
            channels //= 2
            name = f"pool{stage}"
            norm, narrow = scaled_by_channel(f"{name}_bn"), convolution(f"{name}_conv", channels, 1)
            sources = Source(f"{name}_bn", norm=f"{name}_bn"), Source(f"{name}_conv", kernel=f"{name}_conv")
            yield in_turn(norm, relu, narrow, pooled("average", 2, 2)), sources


def _sources_of_unit(name: str) -> tuple[Source, ...]:
    return (
        Source(f"{name}_0_bn", norm=f"{name}_0_bn"),
        Source(f"{name}_1_conv", kernel=f"{name}_1_conv", norm=f"{name}_1_bn"),
        Source(f"{name}_2_conv", kernel=f"{name}_2_conv"),
    )


DENSENET121: Final = Family(
    name="densenet121",
    stem=in_turn(
        padded(3),
        rectified(convolution("conv1_conv", FIRST, 7, 2, "valid")),
        padded(1),
        max_pooled(3, 2),
    ),
    blocks=tuple(part for part, _ in _parts()),
    closing=in_turn(scaled_by_channel("bn"), relu),
    scaling=TORCH,
    smallest=32,
    colours=True,
    sources=(
        Source("conv1_conv", kernel="conv1_conv", norm="conv1_bn"),
        *(source for _, sources in _parts() for source in sources),
        Source("bn", norm="bn"),
    ),
    epsilon=1.001e-5,
)
