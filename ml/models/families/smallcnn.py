"""A small network of four convolutions, of the kind that tutorials train from nothing."""

from typing import Final

from ml.models.families.chain import Family, Source, convolution, in_turn, max_pooled, rectified
from ml.models.scaling import UNIT

_FIRST, _SECOND, _THIRD, _FOURTH = (
    rectified(convolution(f"conv{place}", channels, 3, pad="valid")) for place, channels in enumerate((32, 64, 64, 128))
)

SMALLCNN: Final = Family(
    name="smallcnn",
    stem=in_turn(_FIRST, _SECOND, max_pooled(2, 2)),
    blocks=(in_turn(_THIRD, max_pooled(2, 2)), _FOURTH),
    ending=max_pooled(2, 2),
    scaling=UNIT,
    smallest=32,
    sources=tuple(Source(f"conv{place}", kernel=f"conv2d#{place}") for place in range(4)),
)
