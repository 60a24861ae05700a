"""Draw pictures of other things, for the gate to be taught by. None of these families stands in its test."""

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
from PIL import Image, ImageDraw

from ml.training.negatives.canvas import SIDE, Gray, cloud, ellipse, grid, to_gray

Draw = Callable[[np.random.Generator], Gray]


def gradient(rng: np.random.Generator) -> Gray:
    """A smooth ramp in any direction, straight or round."""
    y, x = grid()
    angle, bend = rng.uniform(0, 2 * np.pi), rng.uniform(0.4, 2.5)
    ramp = x * np.cos(angle) + y * np.sin(angle)
    if rng.random() < 0.3:
        ramp = np.hypot(x - rng.random(), y - rng.random())
    ramp = (ramp - ramp.min()) / np.ptp(ramp)
    return to_gray(ramp**bend, rng.uniform(0, 0.05), rng)


def noise(rng: np.random.Generator) -> Gray:
    """Noise of any grain."""
    return to_gray(cloud(int(rng.choice([4, 8, 16, 32, 64, 256])), rng), 0, rng)


def clouds(rng: np.random.Generator) -> Gray:
    """Coarse and fine noise on top of each other, dark or bright at the edges or not."""
    picture = sum(cloud(cells, rng) * rng.uniform(0, 1) / cells**0.5 for cells in (3, 6, 12, 25, 50, 100))
    picture = (picture - np.min(picture)) / np.ptp(picture)
    if rng.random() < 0.5:
        inside = ellipse((0.5, 0.5), tuple(rng.uniform(0.3, 0.7, 2)), soft=rng.uniform(0.03, 0.8))
        picture = rng.random() + (picture - rng.random()) * inside
    return to_gray(np.clip(picture, 0, 1) ** rng.uniform(0.5, 2.0), rng.uniform(0, 0.05), rng)


def landscape(rng: np.random.Generator) -> Gray:
    """A sky, hills and perhaps a sun."""
    y, x = grid()
    picture = np.tile(np.linspace(rng.uniform(0.5, 1), rng.uniform(0.3, 0.9), SIDE)[:, None], (1, SIDE))
    if rng.random() < 0.6:
        picture[np.hypot(x - rng.random(), y - rng.uniform(0, 0.4)) < rng.uniform(0.03, 0.12)] = 1.0
    for level in np.sort(rng.uniform(0.35, 0.95, int(rng.integers(1, 5)))):
        waves = sum(np.sin(x * rng.uniform(3, 25) + rng.uniform(0, 6)) * rng.uniform(0, 0.06) for _ in range(3))
        picture[y > level + waves] = rng.uniform(0, 0.8)
    return to_gray(picture, rng.uniform(0, 0.06), rng)


def objects(rng: np.random.Generator) -> Gray:
    """Bright or dark bodies on a plain ground, one or many."""
    image = Image.new("L", (SIDE, SIDE), int(rng.integers(0, 256)))
    pen = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(1, 12))):
        x, y = rng.uniform(-20, SIDE, 2)
        width, height = rng.uniform(10, 160, 2)
        shape = pen.ellipse if rng.random() < 0.6 else pen.rectangle
        shape((x, y, x + width, y + height), fill=int(rng.integers(0, 256)))
    return to_gray(np.asarray(image) / 255, rng.uniform(0, 0.08), rng)


def scribble(rng: np.random.Generator) -> Gray:
    """Strokes, arcs and frames of any gray on a plain ground."""
    image = Image.new("L", (SIDE, SIDE), int(rng.integers(0, 256)))
    pen = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(4, 120))):
        x, y = rng.uniform(0, SIDE, 2)
        length, ink, width = rng.uniform(3, 120), int(rng.integers(0, 256)), int(rng.integers(1, 5))
        box = (x, y, x + length, y + length * rng.uniform(0.2, 1))
        pen.line((x, y, x + rng.normal(0, length), y + rng.normal(0, length)), fill=ink, width=width)
        if rng.random() < 0.3:
            pen.arc(box, rng.uniform(0, 360), rng.uniform(0, 360), fill=ink, width=width)
        elif rng.random() < 0.2:
            pen.rectangle(box, outline=ink, width=width)
    return to_gray(np.asarray(image) / 255, rng.uniform(0, 0.04), rng)


def mosaic(rng: np.random.Generator) -> Gray:
    """Cells of any gray around random points, with or without seams."""
    y, x = grid()
    points = rng.random((int(rng.integers(4, 60)), 2))
    away = np.stack([np.hypot(y - down, x - across) for down, across in points])
    nearest = np.sort(away, axis=0)[:2]
    picture = rng.random(len(points))[away.argmin(axis=0)]
    if rng.random() < 0.5:
        picture[nearest[1] - nearest[0] < rng.uniform(0.003, 0.02)] = rng.random()
    return to_gray(picture, rng.uniform(0, 0.06), rng)


def solids(rng: np.random.Generator) -> Gray:
    """Rounded, shaded bodies, as light through or on them would show, on a dark or bright ground."""
    picture = np.full((SIDE, SIDE), rng.uniform(0, 0.5)) + cloud(5, rng) * rng.uniform(0, 0.3)
    for _ in range(int(rng.integers(1, 9))):
        radii = tuple(rng.uniform(0.04, 0.45, 2))
        body = ellipse(tuple(rng.uniform(0, 1, 2)), radii, rng.uniform(0, np.pi), soft=rng.uniform(0.05, 1.5))
        picture = picture + rng.uniform(-0.4, 0.7) * body
    return to_gray(picture, rng.uniform(0, 0.06), rng)


def section_without_lungs(rng: np.random.Generator) -> Gray:
    """A cut through a body that holds no air, as of a belly, with organs, perhaps a spine and a couch."""
    wide = rng.uniform(0.25, 0.5)
    high, centre = wide * rng.uniform(0.6, 1.3), (rng.uniform(0.4, 0.6), rng.uniform(0.45, 0.55))
    picture = np.full((SIDE, SIDE), rng.uniform(0, 0.3))
    body = ellipse(centre, (high, wide), rng.uniform(-0.2, 0.2), soft=0.03)
    tissue = rng.uniform(0.4, 1.0) + (cloud(int(rng.integers(4, 30)), rng) - 0.5) * rng.uniform(0, 0.4)
    for _ in range(int(rng.integers(0, 9))):
        place = (centre[0] + rng.normal(0, high / 2), centre[1] + rng.normal(0, wide / 2))
        organ = ellipse(place, tuple(rng.uniform(0.03, 0.16, 2)), rng.uniform(0, np.pi), soft=0.08)
        tissue = tissue + rng.uniform(-0.3, 0.3) * organ
    picture = picture * (1 - body) + tissue * body
    if rng.random() < 0.5:  # the couch: a thin arc below
        y, x = grid()
        bent = np.abs(y - centre[0] - high - rng.uniform(0, 0.1) + rng.uniform(0, 0.5) * (x - 0.5) ** 2)
        picture = np.maximum(picture, rng.uniform(0.2, 0.9) * (bent < rng.uniform(0.004, 0.015)))
    return to_gray(picture, rng.uniform(0, 0.05), rng)


DRAWN: Final[Mapping[str, Draw]] = {
    "gradient": gradient,
    "noise": noise,
    "clouds": clouds,
    "landscape": landscape,
    "objects": objects,
    "scribble": scribble,
    "mosaic": mosaic,
    "solids": solids,
    "section_without_lungs": section_without_lungs,
}
