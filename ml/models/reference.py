"""Draw phantom planes from seeds: pictures that need no patient, the same on every machine.

They stand in cards as questions with known answers. Only raw output of the bit generator is used, since
NumPy keeps that stable between versions but not its distributions.
"""

import numpy as np
from numpy.typing import NDArray

from ml.vocabulary import PLANE_SIDE, Modality

Plane = NDArray[np.float64]


class _Dice:
    """Even numbers in [0, 1) from a seed, stable between versions of NumPy."""

    def __init__(self, seed: int) -> None:
        self._bits = np.random.PCG64(seed)

    def grid(self, rows: int, columns: int) -> Plane:
        raw = np.asarray(self._bits.random_raw(rows * columns), np.uint64)
        return (raw >> np.uint64(11)).astype(np.float64).reshape(rows, columns) * 2.0**-53

    def between(self, low: float, high: float) -> float:
        return low + (high - low) * float(self.grid(1, 1)[0, 0])


def reference_plane(seed: int, modality: Modality) -> NDArray[np.uint8]:
    """Draw the phantom of a seed.

    Args:
        seed: 0 or more. It decides shapes, opacities, texture, blur and brightness.
        modality: A frontal radiograph's outline for `XRAY`, an axial slice's for `CT`.

    Returns:
        uint8 `(512, 512)`. Nothing of it comes from a real picture.

    Raises:
        ValueError: there is no phantom for an unknown modality.
    """
    if modality is Modality.UNKNOWN:
        raise ValueError("a phantom is drawn for xray or ct")
    dice = _Dice(seed)
    body = _radiograph(dice) if modality is Modality.XRAY else _slice(dice)
    texture = _cloud(dice, 5) * dice.between(0.0, 0.3) + _cloud(dice, 60) * dice.between(0.0, 0.25)
    body = body + texture + dice.grid(PLANE_SIDE, PLANE_SIDE) * dice.between(0.0, 0.12)
    bent = np.clip(body * dice.between(0.7, 1.2), 0.0, 1.0) ** dice.between(0.6, 1.6)
    return np.asarray(np.floor(bent * 255.0 + 0.5), np.uint8)


def reference_planes(seeds: tuple[int, ...], modality: Modality) -> NDArray[np.uint8]:
    """Stack the phantoms of several seeds: uint8 `(seeds, 512, 512)`."""
    return np.stack([reference_plane(seed, modality) for seed in seeds])


def _radiograph(dice: _Dice) -> Plane:
    body = 0.75 * _ellipse(0.5, 0.55, dice.between(0.42, 0.6), dice.between(0.5, 0.7), 0.06)
    tilt = dice.between(-0.03, 0.03)
    for side in (-1.0, 1.0):
        centre = 0.5 + side * dice.between(0.17, 0.23)
        lung = _ellipse(centre, 0.45 + side * tilt, 0.13, dice.between(0.25, 0.34), 0.12)
        body -= dice.between(0.35, 0.65) * lung
        for _ in range(int(dice.between(0, 5))):
            body += dice.between(0.05, 0.35) * lung * _blob(dice, centre, 0.12, 0.5, 0.25)
    ribs = dice.between(0.0, 0.1) * (1 + np.sin(_y() * dice.between(60, 100) + 3 * np.abs(_x() - 0.5)))
    heart = dice.between(0.15, 0.35) * _ellipse(dice.between(0.52, 0.6), 0.62, 0.14, 0.15, 0.3)
    spine = dice.between(0.1, 0.3) * np.exp(-(((_x() - 0.5) / 0.04) ** 2))
    return np.asarray(body + ribs + heart + spine + dice.between(0.0, 0.15))


def _slice(dice: _Dice) -> Plane:
    width, height = dice.between(0.38, 0.48), dice.between(0.28, 0.42)
    body = dice.between(0.6, 0.9) * _ellipse(0.5, 0.5, width, height, 0.03)
    for side in (-1.0, 1.0):
        centre = 0.5 + side * width * 0.5
        lung = _ellipse(centre, 0.5, width * 0.38, height * dice.between(0.6, 0.8), 0.05)
        body -= dice.between(0.4, 0.7) * lung
        for _ in range(int(dice.between(0, 7))):
            body += dice.between(0.1, 0.5) * lung * _blob(dice, centre, 0.12, 0.5, 0.2)
        for _ in range(12):
            body += 0.5 * lung * _blob(dice, centre, 0.1, 0.5, 0.2, largest=0.02)
    spine = 0.35 * _ellipse(0.5, 0.5 + height * 0.7, 0.05, 0.06, 0.1)
    return np.asarray(body + spine + dice.between(0.0, 0.1))


def _blob(dice: _Dice, x: float, dx: float, y: float, dy: float, largest: float = 0.12) -> Plane:
    x, y = x + dice.between(-dx, dx), y + dice.between(-dy, dy)
    size = dice.between(largest / 6, largest)
    return np.exp(-(((_y() - y) / size) ** 2)) * np.exp(-(((_x() - x) / size) ** 2))


def _ellipse(x: float, y: float, across: float, down: float, softness: float) -> Plane:
    radius = ((_x() - x) / across) ** 2 + ((_y() - y) / down) ** 2
    return np.clip((1.0 - radius) / softness + 0.5, 0.0, 1.0)


def _cloud(dice: _Dice, cells: int) -> Plane:
    coarse = dice.grid(cells + 1, cells + 1) - 0.5
    place = np.arange(PLANE_SIDE) / PLANE_SIDE * cells
    low = place.astype(np.int64)
    part = place - low
    lines = coarse[low] * (1 - part)[:, None] + coarse[low + 1] * part[:, None]
    return np.asarray(lines[:, low] * (1 - part) + lines[:, low + 1] * part)


def _x() -> Plane:
    return ((np.arange(PLANE_SIDE) + 0.5) / PLANE_SIDE)[None, :]


def _y() -> Plane:
    return ((np.arange(PLANE_SIDE) + 0.5) / PLANE_SIDE)[:, None]
