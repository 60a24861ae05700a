"""The architectures that a card may name. A bundle brings numbers; the code is here.

A name is a family, then what departs from its plain form: `vgg16` is the trunk with the scaling of its
ImageNet weights and the mean over all places; `vgg16+unit+pool4+dense64` scales gray to 0..1, takes means of
4 x 4 places and adds a dense layer of 64 units; `efficientnetlite0+levels5` puts the means of what every block
from the fifth on takes before the mean of the last map. The name stands on the card and in the model's hash.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ml.models import efficientnet_lite as lite
from ml.models.card import BundleError
from ml.models.families.chain import Chain, Family
from ml.models.families.densenet121 import DENSENET121
from ml.models.families.inceptionv3 import INCEPTIONV3
from ml.models.families.neck import Neck
from ml.models.families.resnet50 import RESNET50
from ml.models.families.smallcnn import SMALLCNN
from ml.models.families.vgg16 import VGG16
from ml.models.families.xception import XCEPTION
from ml.models.scaling import UNIT, Scaling

FAMILIES: Final[Mapping[str, Family]] = {
    "efficientnetlite0": lite.family(lite.LITE0),
    "efficientnetlite1": lite.family(lite.LITE1),
    "efficientnetlite2": lite.family(lite.LITE2),
    "vgg16": VGG16,
    "resnet50": RESNET50,
    "inceptionv3": INCEPTIONV3,
    "xception": XCEPTION,
    "densenet121": DENSENET121,
    "smallcnn": SMALLCNN,
}
NAME: Final = re.compile(
    r"(?P<family>[a-z]+[0-9]*)(?P<unit>\+unit)?"
    r"(\+levels(?P<levels>[1-9][0-9]?)|(\+(?P<pool>flatten|pool[2-9]))?(\+dense(?P<dense>[1-9][0-9]{0,3}))?)"
)
PREPROCESSING: Final = (
    "Plane 512 x 512 (6 % border off, squashed to a square), resampled to {side} x {side} with a triangle "
    "filter, {scaling}{channels}."
)


@dataclass(frozen=True, slots=True)
class Architecture:
    """How to build a trunk and what it wants to see: `(gray - mean) / scale`, gray in 0..255."""

    name: str
    family: Family
    scaling: Scaling
    neck: Neck
    build: Callable[[int], Any]  # side in pixels -> keras.Model: (n, side, side, 1) to (n, features)
    build_front: Callable[[int, int], Any]  # side, block -> what comes before that block
    build_rear: Callable[[int, int], Any]  # side, block -> that block and everything after it

    @property
    def gray_mean(self) -> float:
        return self.scaling.gray_mean

    @property
    def gray_scale(self) -> float:
        return self.scaling.gray_scale

    @property
    def blocks(self) -> int:
        """How many blocks follow the stem: fine-tuning begins at one from 1 to this less 1."""
        return len(self.family.blocks)

    def preprocessing(self, side: int) -> str:
        """Return a sentence for the card."""
        channels = ", repeated in three channels" if self.family.colours else ", one channel"
        told = "" if self.scaling.colours else channels
        return PREPROCESSING.format(side=side, scaling=self.scaling.text, channels=told)


def architecture_named(name: str) -> Architecture:
    """Look an architecture up.

    Raises:
        BundleError: `architecture_unknown`.
    """
    parts = NAME.fullmatch(name)
    if parts is None or parts["family"] not in FAMILIES:
        raise BundleError(
            "architecture_unknown",
            f"The architecture {name!r} is not part of this version (known: {', '.join(FAMILIES)}, "
            "each with +unit, then +levels<block>, or +flatten or +pool<k> and +dense<n>, in this order).",
            "Install the version of this service that the model was made for.",
        )
    family = FAMILIES[parts["family"]]
    scaling = UNIT if parts["unit"] else family.scaling
    neck = Neck(parts["pool"] or "average", _number(parts["dense"]), levels=_number(parts["levels"]))
    _refuse_levels(name, family, neck)
    chain = Chain(family, scaling, neck)
    return Architecture(name, family, scaling, neck, chain.build, chain.build_front, chain.build_rear)


def _number(digits: str | None) -> int | None:
    return int(digits) if digits else None


def _refuse_levels(name: str, family: Family, neck: Neck) -> None:
    if neck.levels is not None and neck.levels >= len(family.blocks):
        raise BundleError(
            "architecture_unknown",
            f"{name} names a block that {family.name} does not have (blocks: 1 to {len(family.blocks) - 1}).",
            "Name a block that it has.",
        )


def refuse_side(architecture: Architecture, side: int) -> None:
    """Refuse an input so small that nothing is left of it.

    Raises:
        BundleError: `side_too_small`.
    """
    if side < architecture.family.smallest:
        raise BundleError(
            "side_too_small",
            f"{architecture.name} takes pictures of at least {architecture.family.smallest} pixels a side, not {side}.",
            "Name a larger side.",
        )
