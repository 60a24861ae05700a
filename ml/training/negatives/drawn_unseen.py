"""Draw pictures of other things for the gate's test alone: it is never taught by one of these families."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Final

import numpy as np
from PIL import Image, ImageDraw

from ml.training.negatives.canvas import SIDE, Floats, Gray, cloud, ellipse, grid, rod, to_gray
from ml.training.negatives.drawn import Draw


def text_page(rng: np.random.Generator) -> Gray:
    """Lines of writing, dark on light or light on dark."""
    image = Image.new("L", (SIDE, int(rng.integers(180, 360))), 245)
    pen, step = ImageDraw.Draw(image), int(rng.integers(9, 20))
    for y in range(int(rng.integers(5, 40)), image.height - 10, step):
        letters = "".join(chr(c) for c in rng.integers(97, 123, int(rng.integers(5, 40))))
        pen.text((int(rng.integers(5, 25)), y), letters.replace("e", " "), fill=int(rng.integers(0, 90)))
    page = np.asarray(image)
    return 255 - page if rng.random() < 0.3 else page


def plot(rng: np.random.Generator) -> Gray:
    """Axes with curves or bars on white."""
    image = Image.new("L", (SIDE + 60, SIDE), 255)
    pen = ImageDraw.Draw(image)
    pen.line((30, 10, 30, SIDE - 25, image.width - 10, SIDE - 25), fill=0, width=2)
    if rng.random() < 0.5:
        for _ in range(int(rng.integers(1, 4))):
            heights = np.clip(np.cumsum(rng.normal(0, 12, 40)) + 110, 12, SIDE - 27)
            pen.line([(32 + 6 * k, float(h)) for k, h in enumerate(heights)], fill=int(rng.integers(0, 160)), width=2)
    else:
        for k, height in enumerate(rng.uniform(20, SIDE - 30, 8)):
            pen.rectangle((40 + 32 * k, float(height), 62 + 32 * k, SIDE - 26), fill=int(rng.integers(0, 200)))
    return np.asarray(image)


def stripes(rng: np.random.Generator) -> Gray:
    """Bars or a chequer-board."""
    y, x = np.mgrid[0:SIDE, 0:SIDE]
    step = int(rng.integers(6, 60))
    pattern = (x // step) % 2 if rng.random() < 0.5 else (x // step + y // step) % 2
    low, high = np.sort(rng.uniform(0, 1, 2))
    return to_gray(np.where(pattern == 1, high, low), 0.02, rng)


def nearly_blank(rng: np.random.Generator) -> Gray:
    """Nearly black, gray or white all over."""
    return to_gray(np.full((SIDE, SIDE), rng.choice([0.02, 0.5, 0.98])), rng.uniform(0, 0.02), rng)


def limb(rng: np.random.Generator) -> Gray:
    """Soft tissue with one or two bright bones along it, as of an arm or a leg."""
    y, x = grid()
    angle = rng.uniform(-0.5, 0.5)
    across = (x - 0.5) * np.cos(angle) + (y - 0.5) * np.sin(angle)
    width = rng.uniform(0.15, 0.35)
    picture = rng.uniform(0.25, 0.5) * np.clip(1 - (across / width) ** 2, 0, 1) ** 0.5
    for centre in rng.uniform(-0.5, 0.5, int(rng.integers(1, 3))) * width:
        thick = rng.uniform(0.03, 0.08)
        picture += rng.uniform(0.3, 0.5) * np.clip(1 - ((across - centre) / thick) ** 2, 0, 1) ** 0.5
    return to_gray(picture, rng.uniform(0.0, 0.05), rng)


def hand(rng: np.random.Generator) -> Gray:
    """A palm and five fingers, each of three bones in soft tissue."""
    wrist = (rng.uniform(0.75, 0.95), rng.uniform(0.4, 0.6))
    soft, bone = rng.uniform(0.2, 0.4), rng.uniform(0.3, 0.5)
    tissue = ellipse((wrist[0] - 0.15, wrist[1]), (0.24, 0.2), soft=0.2)
    bones: Floats = rod(wrist, (1.1, wrist[1]), 0.06)
    for number in range(5):
        angle = np.deg2rad(-50 + 22 * number + rng.normal(0, 4))
        long = rng.uniform(0.5, 0.62) * (0.75 if number == 0 else 1.0)
        marks = [(wrist[0] - long * part * np.cos(angle), wrist[1] + long * part * np.sin(angle)) for part in _JOINTS]
        tissue = np.maximum(tissue, rod(marks[1], marks[-1], 0.045))
        for start, end in pairwise(marks):
            gap = np.subtract(end, start) * 0.06
            first, last = np.add(start, gap), np.subtract(end, gap)
            bones = np.maximum(bones, rod((first[0], first[1]), (last[0], last[1]), 0.018))
    return to_gray(soft * tissue + bone * bones + rng.uniform(0, 0.1), rng.uniform(0, 0.04), rng)


_JOINTS: Final = (0.2, 0.5, 0.72, 0.87, 1.0)  # parts of the way from the wrist to the tip


def skull(rng: np.random.Generator) -> Gray:
    """A skull from the front or the side: a bright rim, orbits or not, a jaw."""
    high, wide = rng.uniform(0.36, 0.44), rng.uniform(0.28, 0.4)
    outer = ellipse((0.45, 0.5), (high, wide), soft=0.05)
    inner = ellipse((0.45, 0.5), (high * 0.92, wide * 0.92), soft=0.05)
    picture = outer * rng.uniform(0.6, 0.8) - inner * rng.uniform(0.1, 0.35) + 0.08 * cloud(12, rng)
    picture += rng.uniform(0.1, 0.3) * ellipse((0.78, 0.5), (0.16, wide * 0.6), soft=0.3)
    if rng.random() < 0.6:
        for side in (-1, 1):
            picture -= rng.uniform(0.1, 0.3) * ellipse((0.55, 0.5 + side * wide * 0.42), (0.07, 0.09), soft=0.3)
        picture -= 0.2 * ellipse((0.66, 0.5), (0.08, 0.04), soft=0.4)
    return to_gray(picture, rng.uniform(0, 0.04), rng)


DRAWN_UNSEEN: Final[Mapping[str, Draw]] = {
    "text_page": text_page,
    "plot": plot,
    "stripes": stripes,
    "nearly_blank": nearly_blank,
    "limb": limb,
    "hand": hand,
    "skull": skull,
}
