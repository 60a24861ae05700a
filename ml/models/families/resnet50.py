"""ResNet50, batch normalisation folded into the convolutions.

Source: He et al., Deep Residual Learning for Image Recognition, CVPR 2016 (arXiv:1512.03385); the stride
stands in the first convolution of a unit, as there and in the weights that Keras publishes.
"""

from collections.abc import Iterator
from typing import Any, Final

from ml.models.families.chain import Family, Part, Source, convolution, in_turn, max_pooled, padded, rectified, relu
from ml.models.scaling import CAFFE

STAGES: Final = ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2))  # channels, units, stride of the first


def _unit(name: str, channels: int, stride: int, *, is_first: bool) -> Part:
    branch = in_turn(
        rectified(convolution(f"{name}_1_conv", channels, 1, stride)),
        rectified(convolution(f"{name}_2_conv", channels, 3)),
        convolution(f"{name}_3_conv", 4 * channels, 1),
    )
    shortcut = convolution(f"{name}_0_conv", 4 * channels, 1, stride)

    def unit(data: Any) -> Any:
        import keras  # noqa: PLC0415 - TensorFlow

        return relu(keras.layers.Add()([shortcut(data) if is_first else data, branch(data)]))

    return unit


def _units() -> Iterator[tuple[str, Part]]:
    for stage, (channels, count, stride) in enumerate(STAGES, 2):
        for place in range(1, count + 1):
            name, is_first = f"conv{stage}_block{place}", place == 1
            yield name, _unit(name, channels, stride if is_first else 1, is_first=is_first)


def _names() -> Iterator[str]:
    yield "conv1"
    for name, _ in _units():
        yield from (f"{name}_{part}" for part in ((0, 1, 2, 3) if name.endswith("block1") else (1, 2, 3)))


RESNET50: Final = Family(
    name="resnet50",
    stem=in_turn(
        padded(3),
        rectified(convolution("conv1_conv", 64, 7, 2, "valid")),
        padded(1),
        max_pooled(3, 2),
    ),
    blocks=tuple(unit for _, unit in _units()),
    scaling=CAFFE,
    smallest=32,
    colours=True,
    sources=tuple(Source(f"{name}_conv", kernel=f"{name}_conv", norm=f"{name}_bn") for name in _names()),
    epsilon=1.001e-5,
)
