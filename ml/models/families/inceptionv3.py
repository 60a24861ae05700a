"""InceptionV3, batch normalisation folded into the convolutions.

Source: Szegedy et al., Rethinking the Inception Architecture for Computer Vision, CVPR 2016
(arXiv:1512.00567). Convolutions are numbered in the order in which Keras makes them, which numbers its weights.
"""

from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any, Final

from ml.models.families.chain import Family, Part, Source, convolution, in_turn, max_pooled, pooled, rectified
from ml.models.scaling import SYMMETRIC

Step = tuple[int, int, int]  # channels, rows and columns of the kernel
Branch = tuple[Step | str, ...]  # "down": a 3 x 3 with stride 2 follows as the next step; "mean", "max": pooling
LAYERS: Final = 94


def _coarse(last: int) -> Sequence[Branch]:
    return (
        ((64, 1, 1),),
        ((48, 1, 1), (64, 5, 5)),
        ((64, 1, 1), (96, 3, 3), (96, 3, 3)),
        ("mean", (last, 1, 1)),
    )


def _wide(inner: int) -> Sequence[Branch]:
    return (
        ((192, 1, 1),),
        ((inner, 1, 1), (inner, 1, 7), (192, 7, 1)),
        ((inner, 1, 1), (inner, 7, 1), (inner, 1, 7), (inner, 7, 1), (192, 1, 7)),
        ("mean", (192, 1, 1)),
    )


FIRST_NARROWING: Final[Sequence[Branch]] = (
    ("down", (384, 3, 3)),
    ((64, 1, 1), (96, 3, 3), "down", (96, 3, 3)),
    ("max",),
)
SECOND_NARROWING: Final[Sequence[Branch]] = (
    ((192, 1, 1), "down", (320, 3, 3)),
    ((192, 1, 1), (192, 1, 7), (192, 7, 1), "down", (192, 3, 3)),
    ("max",),
)
FINE: Final[Sequence[Branch]] = (
    ((320, 1, 1),),
    ((384, 1, 1), "fork", (384, 1, 3), (384, 3, 1)),
    ((448, 1, 1), (384, 3, 3), "fork", (384, 1, 3), (384, 3, 1)),
    ("mean", (192, 1, 1)),
)
MODULES: Final = (
    *(_coarse(last) for last in (32, 64, 64)),
    FIRST_NARROWING,
    *(_wide(inner) for inner in (128, 160, 160, 192)),
    SECOND_NARROWING,
    FINE,
    FINE,
)


def _conv(number: int, step: Step, stride: int = 1, pad: str = "same") -> Part:
    channels, rows, columns = step
    return rectified(convolution(f"conv{number}", channels, (rows, columns), stride, pad))


def _branch(branch: Branch, numbers: Iterator[int]) -> Part:
    parts: list[Part] = []
    steps = iter(branch)
    for step in steps:
        if step == "fork":
            first, second = (_conv(next(numbers), one) for one in steps if not isinstance(one, str))
            parts.append(_joined((first, second)))
        elif step == "down":
            parts.append(_conv(next(numbers), next(one for one in steps if not isinstance(one, str)), 2, "valid"))
        elif isinstance(step, str):
            parts.append(max_pooled(3, 2) if step == "max" else pooled("average", 3, 1, "same"))
        else:
            parts.append(_conv(next(numbers), step))
    return in_turn(*parts)


def _joined(branches: Sequence[Part]) -> Part:
    def part(data: Any) -> Any:
        import keras  # noqa: PLC0415 - TensorFlow

        return keras.layers.Concatenate()([branch(data) for branch in branches])

    return part


def _stem(numbers: Iterator[int]) -> Part:
    return in_turn(
        _conv(next(numbers), (32, 3, 3), 2, "valid"),
        _conv(next(numbers), (32, 3, 3), 1, "valid"),
        _conv(next(numbers), (64, 3, 3)),
        max_pooled(3, 2),
        _conv(next(numbers), (80, 1, 1), 1, "valid"),
        _conv(next(numbers), (192, 3, 3), 1, "valid"),
        max_pooled(3, 2),
    )


_NUMBERS: Final = count()

INCEPTIONV3: Final = Family(
    name="inceptionv3",
    stem=_stem(_NUMBERS),
    blocks=tuple(_joined([_branch(branch, _NUMBERS) for branch in module]) for module in MODULES),
    scaling=SYMMETRIC,
    smallest=75,
    sources=tuple(
        Source(f"conv{number}", kernel=f"conv2d#{number}", norm=f"batch_normalization#{number}")
        for number in range(LAYERS)
    ),
)
