"""Draw pictures that are no chest pictures, and misuse chest pictures so that they no longer are.

Each family is a function from random numbers (and pictures to misuse) to gray values, uint8 of any shape.
Families for training and for testing are disjoint: what the gate is told to refuse says little about what
it will refuse.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Gray = NDArray[np.uint8]
Draw = Callable[[np.random.Generator], Gray]
Misuse = Callable[[Sequence[Gray], np.random.Generator], Gray]
SIDE: Final = 256


def gradient(rng: np.random.Generator) -> Gray:
    """A smooth ramp in any direction, straight or round."""
    y, x = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    angle, bend = rng.uniform(0, 2 * np.pi), rng.uniform(0.4, 2.5)
    ramp = x * np.cos(angle) + y * np.sin(angle)
    if rng.random() < 0.3:
        ramp = np.hypot(x - rng.random(), y - rng.random())
    ramp = (ramp - ramp.min()) / np.ptp(ramp)
    return _bytes(ramp**bend, rng.uniform(0, 0.05), rng)


def noise(rng: np.random.Generator) -> Gray:
    """Noise of any grain."""
    cells = int(rng.choice([4, 8, 16, 32, 64, 256]))
    image = Image.fromarray(rng.integers(0, 256, (cells, cells)).astype(np.uint8))
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BICUBIC))


def landscape(rng: np.random.Generator) -> Gray:
    """A sky, hills and perhaps a sun."""
    x = np.arange(SIDE) / SIDE
    picture = np.tile(np.linspace(rng.uniform(0.5, 1), rng.uniform(0.3, 0.9), SIDE)[:, None], (1, SIDE))
    if rng.random() < 0.6:
        y, across = np.mgrid[0:SIDE, 0:SIDE] / SIDE
        picture[np.hypot(across - rng.random(), y - rng.uniform(0, 0.4)) < rng.uniform(0.03, 0.12)] = 1.0
    for level in np.sort(rng.uniform(0.35, 0.95, int(rng.integers(1, 5)))):
        waves = sum(np.sin(x * rng.uniform(3, 25) + rng.uniform(0, 6)) * rng.uniform(0, 0.06) for _ in range(3))
        picture[np.arange(SIDE)[:, None] / SIDE > level + waves] = rng.uniform(0, 0.8)
    return _bytes(picture, rng.uniform(0, 0.06), rng)


def text_page(rng: np.random.Generator) -> Gray:
    """Lines of writing, dark on light or light on dark."""
    image = Image.new("L", (SIDE, int(rng.integers(180, 360))), 245)
    pen, step = ImageDraw.Draw(image), int(rng.integers(9, 20))
    for y in range(int(rng.integers(5, 40)), image.height - 10, step):
        letters = "".join(chr(c) for c in rng.integers(97, 123, int(rng.integers(5, 40))))
        pen.text((int(rng.integers(5, 25)), y), letters.replace("e", " "), fill=int(rng.integers(0, 90)))
    page = np.asarray(image)
    return 255 - page if rng.random() < 0.3 else page


def objects(rng: np.random.Generator) -> Gray:
    """Bright or dark bodies on a plain ground, one or many."""
    image = Image.new("L", (SIDE, SIDE), int(rng.integers(0, 256)))
    pen = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(1, 12))):
        x, y = rng.uniform(-20, SIDE, 2)
        width, height = rng.uniform(10, 160, 2)
        shape = pen.ellipse if rng.random() < 0.6 else pen.rectangle
        shape((x, y, x + width, y + height), fill=int(rng.integers(0, 256)))
    return _bytes(np.asarray(image) / 255, rng.uniform(0, 0.08), rng)


def limb(rng: np.random.Generator) -> Gray:
    """Soft tissue with one or two bright bones along it, as of an arm or a leg."""
    y, x = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    angle = rng.uniform(-0.5, 0.5)
    across = (x - 0.5) * np.cos(angle) + (y - 0.5) * np.sin(angle)
    width = rng.uniform(0.15, 0.35)
    picture = rng.uniform(0.25, 0.5) * np.clip(1 - (across / width) ** 2, 0, 1) ** 0.5
    for centre in rng.uniform(-0.5, 0.5, int(rng.integers(1, 3))) * width:
        thick = rng.uniform(0.03, 0.08)
        picture += rng.uniform(0.3, 0.5) * np.clip(1 - ((across - centre) / thick) ** 2, 0, 1) ** 0.5
    return _bytes(picture, rng.uniform(0.0, 0.05), rng)


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
    return _bytes(np.where(pattern == 1, high, low), 0.02, rng)


def nearly_blank(rng: np.random.Generator) -> Gray:
    """Nearly black, gray or white all over."""
    return _bytes(np.full((SIDE, SIDE), rng.choice([0.02, 0.5, 0.98])), rng.uniform(0, 0.02), rng)


def quarter(pictures: Sequence[Gray], rng: np.random.Generator) -> Gray:
    """One corner of a chest picture, a third to a half of each side."""
    picture = _one(pictures, rng)
    rows = int(picture.shape[0] * rng.uniform(0.34, 0.5))
    columns = int(picture.shape[1] * rng.uniform(0.34, 0.5))
    below, right = rng.integers(0, 2, 2)
    part = picture[-rows:] if below else picture[:rows]
    return part[:, -columns:] if right else part[:, :columns]


def contact_sheet(pictures: Sequence[Gray], rng: np.random.Generator) -> Gray:
    """Two by two pictures on one."""
    tiles = [_resized(_one(pictures, rng), SIDE // 2, SIDE // 2) for _ in range(4)]
    return np.block([[tiles[0], tiles[1]], [tiles[2], tiles[3]]])


def inverted(pictures: Sequence[Gray], rng: np.random.Generator) -> Gray:
    """Black for white."""
    return 255 - _one(pictures, rng)


def sideways(pictures: Sequence[Gray], rng: np.random.Generator) -> Gray:
    """A quarter turn either way."""
    return np.rot90(_one(pictures, rng), 1 if rng.random() < 0.5 else 3)


def strip(pictures: Sequence[Gray], rng: np.random.Generator) -> Gray:
    """Three or four pictures side by side."""
    count = int(rng.integers(3, 5))
    return np.hstack([_resized(_one(pictures, rng), SIDE, SIDE // count) for _ in range(count)])


def screenshot(pictures: Sequence[Gray], rng: np.random.Generator) -> Gray:
    """A picture in the window of another program, with bars and lists around it."""
    image = Image.new("L", (SIDE + 120, SIDE), int(rng.integers(30, 240)))
    left, top = int(rng.integers(60, 140)), int(rng.integers(20, 60))
    inner = _resized(_one(pictures, rng), SIDE - top - 40, SIDE - 40)
    image.paste(Image.fromarray(inner), (left, top))
    pen = ImageDraw.Draw(image)
    pen.rectangle((0, 0, image.width, 14), fill=int(rng.integers(0, 256)))
    for y in range(24, SIDE, int(rng.integers(12, 24))):
        pen.text((4, y), "Series 1 Image", fill=int(rng.integers(0, 256)))
    return np.asarray(image)


DRAWN_FOR_TRAINING: Final[Mapping[str, Draw]] = {
    "gradient": gradient,
    "noise": noise,
    "landscape": landscape,
    "text_page": text_page,
    "objects": objects,
}
DRAWN_FOR_TEST: Final[Mapping[str, Draw]] = {
    "limb": limb,
    "plot": plot,
    "stripes": stripes,
    "nearly_blank": nearly_blank,
}
MISUSED_FOR_TRAINING: Final[Mapping[str, Misuse]] = {
    "quarter": quarter,
    "contact_sheet": contact_sheet,
    "inverted": inverted,
    "sideways": sideways,
}
MISUSED_FOR_TEST: Final[Mapping[str, Misuse]] = {"strip": strip, "screenshot": screenshot}


def _one(pictures: Sequence[Gray], rng: np.random.Generator) -> Gray:
    return pictures[int(rng.integers(len(pictures)))]


def _resized(picture: Gray, rows: int, columns: int) -> Gray:
    return np.asarray(Image.fromarray(picture).resize((columns, rows), Image.Resampling.BILINEAR))


def _bytes(picture: NDArray[np.floating], grain: float, rng: np.random.Generator) -> Gray:
    grainy = picture + rng.normal(0, grain + 1e-9, picture.shape)
    return np.asarray(np.clip(grainy, 0, 1) * 255, np.uint8)
