"""VGG16 without its dense layers.

Source: Simonyan and Zisserman, Very Deep Convolutional Networks for Large-Scale Image Recognition,
ICLR 2015 (arXiv:1409.1556), configuration D.
"""

from typing import Final

from ml.models.families.chain import Family, Part, Source, convolution, in_turn, max_pooled, rectified
from ml.models.scaling import CAFFE

CONVOLUTIONS: Final = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))  # channels and how many, block by block


def _block(number: int, channels: int, count: int) -> Part:
    names = [f"block{number}_conv{place}" for place in range(1, count + 1)]
    return in_turn(*(rectified(convolution(name, channels, 3)) for name in names))


_BLOCKS: Final = [_block(number, *layout) for number, layout in enumerate(CONVOLUTIONS, 1)]

VGG16: Final = Family(
    name="vgg16",
    stem=in_turn(_BLOCKS[0], max_pooled(2, 2)),
    blocks=(*(in_turn(block, max_pooled(2, 2)) for block in _BLOCKS[1:-1]), _BLOCKS[-1]),
    ending=max_pooled(2, 2),  # the last map is the last convolution's, twice as fine as what is pooled
    scaling=CAFFE,
    smallest=32,
    colours=True,
    sources=tuple(
        Source(f"block{number}_conv{place}", kernel=f"block{number}_conv{place}")
        for number, (_, count) in enumerate(CONVOLUTIONS, 1)
        for place in range(1, count + 1)
    ),
)
