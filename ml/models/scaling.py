"""What a trunk wants its gray values to look like. Standard library only."""

from dataclasses import dataclass
from typing import Final

Colour = tuple[float, float]  # mean and deviation of one colour channel, taken after those of the gray value


@dataclass(frozen=True, slots=True)
class Scaling:
    """`(gray - gray_mean) / gray_scale`, gray in 0..255, computed before the graph's own layers.

    `colours` holds what weights trained in colour expect of each of their three channels, in which the gray
    value is repeated. It is computed within the graph: the borders of a convolution are filled with zeros
    after it, so that different means cannot be folded into one channel.
    """

    gray_mean: float
    gray_scale: float
    colours: tuple[Colour, Colour, Colour] | None
    text: str


# Of the published weights of VGG16 and ResNet50: blue, green, red, no division.
CAFFE: Final = Scaling(
    0.0, 1.0, ((103.939, 1.0), (116.779, 1.0), (123.68, 1.0)), "gray in three channels less 103.939, 116.779, 123.68"
)
# Of those of DenseNet121: red, green, blue.
TORCH: Final = Scaling(
    0.0,
    255.0,
    ((0.485, 0.229), (0.456, 0.224), (0.406, 0.225)),
    "gray / 255 in three channels less 0.485, 0.456, 0.406 over 0.229, 0.224, 0.225",
)
# Of those of InceptionV3 and Xception.
SYMMETRIC: Final = Scaling(127.5, 127.5, None, "gray / 127.5 - 1")
# Of Google's training of EfficientNet-Lite.
LITE: Final = Scaling(127.0, 128.0, None, "(gray - 127) / 128")
# Of most tutorials, whatever weights they begin with.
UNIT: Final = Scaling(0.0, 255.0, None, "gray / 255")
