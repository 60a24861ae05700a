"""Degrade pictures as the world does, so that a file's history is no hint at its label."""

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ml.images.plane import make_plane


@dataclass(frozen=True, slots=True)
class Degradation:
    """How far pictures are changed. Each value is drawn evenly from its range."""

    crop: float = 0.08  # largest part cut off each of the four sides; unequal cuts change the aspect
    side: tuple[int, int] = (160, 512)  # pixels of the longest side after resampling
    jpeg: tuple[int, int] = (60, 95)  # quality
    gamma: float = 0.25  # largest change of log2 of the exponent
    mirrored: float = 0.5  # how often left and right are exchanged
    rotation: float = 0.0  # degrees, largest, either way


def generator_for(seed: int, *place: int) -> np.random.Generator:
    """Return the random numbers of one picture in one pass, whatever the order of work."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, *place])))


def degraded_plane(gray: NDArray[np.uint8], how: Degradation, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Crop, resample, re-encode and perhaps mirror a picture, then make its plane.

    Args:
        gray: uint8 `(rows, columns)`. Never modified.
        how: Ranges of the changes.
        rng: Where the changes are drawn from.

    Returns:
        uint8 `(512, 512)`, by the same `make_plane` that the service uses.
    """
    image = Image.fromarray(gray)
    if how.rotation:
        image = image.rotate(rng.uniform(-how.rotation, how.rotation), Image.Resampling.BILINEAR)
    image = _resampled(image.crop(_box(image, how, rng)), int(rng.integers(how.side[0], how.side[1] + 1)))
    if rng.random() < how.mirrored:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    file = io.BytesIO()
    _bent(image, rng.uniform(-how.gamma, how.gamma)).save(
        file, "JPEG", quality=int(rng.integers(how.jpeg[0], how.jpeg[1] + 1))
    )
    with Image.open(file, formats=["JPEG"]) as encoded:
        return make_plane(np.asarray(encoded, np.uint8))


def _box(image: Image.Image, how: Degradation, rng: np.random.Generator) -> tuple[int, int, int, int]:
    left, top, right, bottom = rng.uniform(0.0, how.crop, 4)
    return (
        round(image.width * left),
        round(image.height * top),
        round(image.width * (1 - right)),
        round(image.height * (1 - bottom)),
    )


def _resampled(image: Image.Image, side: int) -> Image.Image:
    scale = side / max(image.size)
    size = (max(16, round(image.width * scale)), max(16, round(image.height * scale)))
    return image.resize(size, Image.Resampling.BILINEAR)


def _bent(image: Image.Image, log2_exponent: float) -> Image.Image:
    exponent = 2.0**log2_exponent
    return image.point([round(255 * (value / 255) ** exponent) for value in range(256)])
