"""The families of pictures that the gate is to refuse, and how often each may pass.

A family that the gate is taught by never stands in its test: what it was told to refuse says little about what it
will refuse. Turned and inverted pictures are no such family but answers of their own, each with a remedy.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ml.images.plane import make_plane
from ml.training.augment import Degradation, degraded_plane, generator_for
from ml.training.negatives.canvas import Gray
from ml.training.negatives.drawn import DRAWN, Draw
from ml.training.negatives.drawn_unseen import DRAWN_UNSEEN
from ml.training.negatives.misused import MISUSED, MISUSED_UNSEEN, Misuse
from ml.training.negatives.packaged import other_dicom, scenes, textures

Planes = Iterator[tuple[str, NDArray[np.uint8]]]
EASY_PASS: Final = 0.02  # of an easy family may pass
HARD_PASS: Final = 0.10
EASY: Final = frozenset({"text_page", "plot", "stripes", "nearly_blank", "photograph", "test_pattern"})
TEXTURE: Final = "texture"
TAUGHT: Final = (*DRAWN, *MISUSED, TEXTURE)
PER_FAMILY: Final = 500
PER_TEST_FAMILY: Final = 300
CROPS: Final = 20  # of each photograph, and 50 of each surface to teach by
LITTLE: Final = Degradation(crop=0.03, side=(200, 512), rotation=3.0)


def may_pass(family: str) -> float:
    """Return what part of a family of the test may pass."""
    return EASY_PASS if family in EASY else HARD_PASS


def for_training(pictures: Sequence[Gray], seed: int, part: int, parts: int) -> Planes:
    """Yield `(family, plane)` of one part of what the gate is taught to refuse.

    If the `pictures` of parts share no patient, misused ones do not either; nor do parts share a surface.
    """
    count = PER_FAMILY // parts
    yield from _drawn(DRAWN, count, seed, part)
    yield from misused(MISUSED, pictures, count, seed + part)
    yield from _crops(TEXTURE, textures()[part::parts], 50, seed)


def for_test(pictures: Sequence[Gray], seed: int) -> Planes:
    """Yield `(family, plane)` of families that training never sees."""
    yield from _drawn(DRAWN_UNSEEN, PER_TEST_FAMILY, seed, 0)
    yield from misused(MISUSED_UNSEEN, pictures, PER_TEST_FAMILY, seed)
    yield from _crops("photograph", scenes(), CROPS, seed)
    yield from other_dicom()


def misused(families: Mapping[str, Misuse], pictures: Sequence[Gray], count: int, seed: int) -> Planes:
    """Yield `count` planes of every family, each degraded a little as files are on their way."""
    for number, (family, misuse) in enumerate(families.items()):
        for one in range(count):
            rng = generator_for(seed, 2, number, one)
            yield family, degraded_plane(misuse(pictures, rng), LITTLE, rng)


def _drawn(families: Mapping[str, Draw], count: int, seed: int, part: int) -> Planes:
    for number, (family, draw) in enumerate(families.items()):
        for one in range(count):
            yield family, make_plane(draw(generator_for(seed, 1, number, part, one)))


def _crops(family: str, pictures: Sequence[Gray], count: int, seed: int) -> Planes:
    for number, gray in enumerate(pictures):
        for one in range(count):
            rng = generator_for(seed, 3, number, one)
            rows, columns = (max(32, int(side * rng.uniform(0.4, 1.0))) for side in gray.shape)
            top, left = (
                int(rng.integers(0, side - part + 1)) for side, part in zip(gray.shape, (rows, columns), strict=True)
            )
            yield family, degraded_plane(gray[top : top + rows, left : left + columns], LITTLE, rng)
