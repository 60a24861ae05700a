"""A trunk as a chain of parts, so that it can be cut before any of them: in training, and to explain a score."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from ml.models.families.neck import Neck
from ml.models.scaling import Colour, Scaling

Tensor = Any
Part = Callable[[Tensor], Tensor]
MAP: Final = "map"  # the layer that gives the last feature map
# Followed by a block's number: the layer that gives what it takes. The last one's number is how many blocks there are.
LEVEL: Final = "level"


@dataclass(frozen=True, slots=True)
class Source:
    """From which layers of the published weights one of ours is made; batch normalisation is folded in."""

    layer: str
    kernel: str | None = None  # None: the normalisation stands alone
    norm: str | None = None
    variable: str = "kernel"


@dataclass(frozen=True, slots=True)
class Family:
    """An architecture without its weights, input scaling and neck."""

    name: str
    stem: Part
    blocks: tuple[Part, ...]
    scaling: Scaling  # of the ImageNet weights
    smallest: int  # pixels a side
    closing: Part = field(default=lambda data: data)  # before the last map
    ending: Part = field(default=lambda data: data)  # after it, before the neck
    colours: bool = False  # the stem takes three channels
    sources: tuple[Source, ...] = ()  # in Keras's published weights; the stem's first
    epsilon: float = 1e-3  # of the published batch normalisation


@dataclass(frozen=True, slots=True)
class Chain:
    """A family with a scaling of its input and a neck: everything but weights."""

    family: Family
    scaling: Scaling
    neck: Neck

    def build(self, side: int) -> Any:
        """Build the whole trunk: float32 `(n, side, side, 1)`, scaled, to `(n, features)`."""
        import keras  # noqa: PLC0415 - TensorFlow

        inputs = keras.Input((side, side, 1))
        return keras.Model(inputs, self._ended(self._begun(inputs, 0), 0), name=self.family.name)

    def build_front(self, side: int, first_block: int) -> Any:
        """Build the stem and the blocks before `first_block`."""
        import keras  # noqa: PLC0415 - TensorFlow

        inputs = keras.Input((side, side, 1))
        return keras.Model(inputs, self._begun(inputs, first_block), name=f"{self.family.name}_front")

    def build_rear(self, side: int, first_block: int) -> Any:
        """Build what `build_front` leaves out; its input is what the front gives, levels before that are lost."""
        import keras  # noqa: PLC0415 - TensorFlow

        inputs = keras.Input(self.build_front(side, first_block).output_shape[1:])
        return keras.Model(inputs, self._ended(inputs, first_block), name=f"{self.family.name}_rear")

    def _begun(self, data: Tensor, blocks: int) -> Tensor:
        if self.family.colours:
            data = in_colours(data, self.scaling.colours or ((0.0, 1.0),) * 3)
        for part in (self.family.stem, *self.family.blocks[:blocks]):
            data = part(data)
        return data

    def _ended(self, data: Tensor, first_block: int) -> Tensor:
        import keras  # noqa: PLC0415 - TensorFlow

        levels = []
        for number, block in enumerate(self.family.blocks[first_block:], first_block):
            if self.neck.counts(number):
                data = keras.layers.Activation("linear", name=f"{LEVEL}{number}")(data)
                levels.append(data)
            data = block(data)
        data = keras.layers.Activation("linear", name=MAP)(self.family.closing(data))
        data = self.family.ending(data)
        if self.neck.levels is not None:
            data = keras.layers.Activation("linear", name=f"{LEVEL}{len(self.family.blocks)}")(data)
        return self.neck.applied([*levels, data])


def in_colours(data: Tensor, colours: tuple[Colour, Colour, Colour]) -> Tensor:
    """Repeat the one channel in three, each less its mean and over its deviation."""
    import keras  # noqa: PLC0415 - TensorFlow

    return keras.ops.concatenate([(data - mean) / scale for mean, scale in colours], axis=-1)


def convolution(name: str, channels: int, kernel: int | tuple[int, int], stride: int = 1, pad: str = "same") -> Part:
    """Return a convolution with a bias and no activation."""

    def part(data: Tensor) -> Tensor:
        import keras  # noqa: PLC0415 - TensorFlow

        return keras.layers.Conv2D(channels, kernel, strides=stride, padding=pad, name=name)(data)

    return part


def rectified(part: Part, most: float | None = None) -> Part:
    """Follow a part by max(0, x), at most `most`."""

    def activated(data: Tensor) -> Tensor:
        import keras  # noqa: PLC0415 - TensorFlow

        return keras.layers.ReLU(most)(part(data))

    return activated


def in_turn(*parts: Part) -> Part:
    """Join parts to one."""

    def joined(data: Tensor) -> Tensor:
        for part in parts:
            data = part(data)
        return data

    return joined


def pooled(kind: str, size: int, stride: int, pad: str = "valid") -> Part:
    """Return a pooling: `kind` is "max" or "average"; a mean leaves padding out."""

    def part(data: Tensor) -> Tensor:
        import keras  # noqa: PLC0415 - TensorFlow

        layer = keras.layers.MaxPooling2D if kind == "max" else keras.layers.AveragePooling2D
        return layer(size, strides=stride, padding=pad)(data)

    return part


def padded(pixels: int) -> Part:
    """Return a border of zeros on all four sides."""

    def part(data: Tensor) -> Tensor:
        import keras  # noqa: PLC0415 - TensorFlow

        return keras.layers.ZeroPadding2D(pixels)(data)

    return part


def scaled_by_channel(name: str) -> Part:
    """Return a gain and an offset for each channel: batch normalisation with fixed figures."""

    def part(data: Tensor) -> Tensor:
        import keras  # noqa: PLC0415 - TensorFlow

        return keras.layers.DepthwiseConv2D(1, name=name)(data)

    return part


def relu(data: Tensor) -> Tensor:
    """Return max(0, x)."""
    return rectified(lambda given: given)(data)


max_pooled: Final = partial(pooled, "max")
