"""Misuse chest pictures so that they no longer are one. What the gate is taught by, and what only tests it, apart."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np
from PIL import Image, ImageDraw

from ml.training.negatives.canvas import SIDE, Gray, cloud, resized

Misuse = Callable[[Sequence[Gray], np.random.Generator], Gray]


def patch(pictures: Sequence[Gray], rng: np.random.Generator) -> Gray:
    """A detail from anywhere, a tenth to a third of each side."""
    picture = _one(pictures, rng)
    rows, columns = (max(8, int(side * rng.uniform(0.1, 0.33))) for side in picture.shape)
    top, left = (int(rng.integers(side - part)) for side, part in zip(picture.shape, (rows, columns), strict=True))
    return picture[top : top + rows, left : left + columns]


def half(pictures: Sequence[Gray], rng: np.random.Generator) -> Gray:
    """The left, right, upper or lower half."""
    picture = np.rot90(_one(pictures, rng), turns := int(rng.integers(4)))
    return np.rot90(picture[: int(picture.shape[0] * rng.uniform(0.4, 0.55))], -turns)


def row_of_pictures(pictures: Sequence[Gray], rng: np.random.Generator) -> Gray:
    """Two to five pictures side by side or below each other, or three by two, or three by three."""
    rows, columns = [(1, 2), (2, 1), (1, 3), (3, 1), (1, 5), (3, 2), (2, 3), (3, 3)][int(rng.integers(8))]
    return _sheet(pictures, rows, columns, rng)


def pasted(pictures: Sequence[Gray], rng: np.random.Generator) -> Gray:
    """A picture, small, on a cloudy or plain ground."""
    ground = cloud(int(rng.choice([3, 8, 40])), rng) if rng.random() < 0.5 else np.full((SIDE, SIDE), rng.random())
    sheet = np.asarray(ground * 255, np.uint8)
    rows, columns = (int(SIDE * part) for part in rng.uniform(0.25, 0.65, 2))
    top, left = int(rng.integers(SIDE - rows)), int(rng.integers(SIDE - columns))
    sheet[top : top + rows, left : left + columns] = resized(_one(pictures, rng), rows, columns)
    return sheet


def shuffled(pictures: Sequence[Gray], rng: np.random.Generator) -> Gray:
    """Blocks of a picture in another order."""
    count = int(rng.choice([2, 3, 4, 8]))
    side = SIDE // count
    picture = resized(_one(pictures, rng), side * count, side * count)
    blocks = picture.reshape(count, side, count, side).swapaxes(1, 2).reshape(-1, side, side)
    order = np.roll(np.arange(len(blocks)), 1) if count == 2 else rng.permutation(len(blocks))
    return blocks[order].reshape(count, count, side, side).swapaxes(1, 2).reshape(side * count, side * count)


def shifted(pictures: Sequence[Gray], rng: np.random.Generator) -> Gray:
    """A picture that slid out of its frame by a third to two thirds, black or white where it was."""
    picture = resized(_one(pictures, rng), SIDE, SIDE)
    away = int(SIDE * rng.uniform(0.33, 0.66))
    sheet = np.full((SIDE, SIDE), rng.choice([0, 255]), np.uint8)
    sheet[away:] = picture[: SIDE - away] if rng.random() < 0.5 else picture[away:]
    return np.rot90(sheet, int(rng.integers(4))) if rng.random() < 0.5 else sheet


def spliced(pictures: Sequence[Gray], rng: np.random.Generator) -> Gray:
    """Halves of two pictures joined, one of them on its side, mirrored or upside down."""
    first, second = (resized(_one(pictures, rng), SIDE, SIDE) for _ in range(2))
    second = np.rot90(second, int(rng.integers(1, 4)))
    joined = np.hstack([first[:, : SIDE // 2], second[:, SIDE // 2 :]])
    return joined if rng.random() < 0.5 else np.rot90(joined, int(rng.integers(4)))


def quarter(pictures: Sequence[Gray], rng: np.random.Generator) -> Gray:
    """One corner of a picture, a third to a half of each side."""
    picture = _one(pictures, rng)
    rows, columns = (int(side * rng.uniform(0.34, 0.5)) for side in picture.shape)
    below, right = rng.integers(0, 2, 2)
    part = picture[-rows:] if below else picture[:rows]
    return part[:, -columns:] if right else part[:, :columns]


def contact_sheet(pictures: Sequence[Gray], rng: np.random.Generator) -> Gray:
    """Two by two pictures on one."""
    return _sheet(pictures, 2, 2, rng)


def four_in_a_row(pictures: Sequence[Gray], rng: np.random.Generator) -> Gray:
    """Four pictures side by side."""
    return _sheet(pictures, 1, 4, rng)


def screenshot(pictures: Sequence[Gray], rng: np.random.Generator) -> Gray:
    """A picture in the window of another program, with bars and lists around it."""
    image = Image.new("L", (SIDE + 120, SIDE), int(rng.integers(30, 240)))
    left, top = int(rng.integers(60, 140)), int(rng.integers(20, 60))
    inner = resized(_one(pictures, rng), SIDE - top - 40, SIDE - 40)
    image.paste(Image.fromarray(inner), (left, top))
    pen = ImageDraw.Draw(image)
    pen.rectangle((0, 0, image.width, 14), fill=int(rng.integers(0, 256)))
    for y in range(24, SIDE, int(rng.integers(12, 24))):
        pen.text((4, y), "Series 1 Image", fill=int(rng.integers(0, 256)))
    return np.asarray(image)


def collimated(pictures: Sequence[Gray], rng: np.random.Generator) -> Gray:
    """Black but for a window of a third to a half of each side, so that most of both lungs is hidden."""
    picture = _one(pictures, rng)
    sheet = np.full(picture.shape, int(rng.integers(0, 12)), np.uint8)
    rows, columns = (int(side * rng.uniform(0.3, 0.5)) for side in picture.shape)
    top = int((picture.shape[0] - rows) * rng.uniform(0.3, 0.7))
    left = int((picture.shape[1] - columns) * rng.uniform(0.3, 0.7))
    sheet[top : top + rows, left : left + columns] = picture[top : top + rows, left : left + columns]
    return sheet


def inverted(pictures: Sequence[Gray], rng: np.random.Generator) -> Gray:
    """Black for white."""
    return 255 - _one(pictures, rng)


def sideways(pictures: Sequence[Gray], rng: np.random.Generator) -> Gray:
    """A quarter turn either way."""
    return np.rot90(_one(pictures, rng), 1 if rng.random() < 0.5 else 3)


def upside_down(pictures: Sequence[Gray], rng: np.random.Generator) -> Gray:
    """Half a turn."""
    return np.rot90(_one(pictures, rng), 2)


def turned_and_inverted(pictures: Sequence[Gray], rng: np.random.Generator) -> Gray:
    """A quarter or half turn, and black for white."""
    return 255 - np.rot90(_one(pictures, rng), int(rng.integers(1, 4)))


MISUSED: Final[Mapping[str, Misuse]] = {
    "patch": patch,
    "half": half,
    "row_of_pictures": row_of_pictures,
    "pasted": pasted,
    "shuffled": shuffled,
    "shifted": shifted,
    "spliced": spliced,
}
MISUSED_UNSEEN: Final[Mapping[str, Misuse]] = {
    "quarter": quarter,
    "contact_sheet": contact_sheet,
    "four_in_a_row": four_in_a_row,
    "screenshot": screenshot,
    "collimated": collimated,
    "turned_and_inverted": turned_and_inverted,
}
POLARITY: Final[Mapping[str, Misuse]] = {"inverted": inverted}
ORIENTATION: Final[Mapping[str, Misuse]] = {"sideways": sideways, "upside_down": upside_down}


def _one(pictures: Sequence[Gray], rng: np.random.Generator) -> Gray:
    return pictures[int(rng.integers(len(pictures)))]


def _sheet(pictures: Sequence[Gray], rows: int, columns: int, rng: np.random.Generator) -> Gray:
    tiles = [[resized(_one(pictures, rng), SIDE // rows, SIDE // columns) for _ in range(columns)] for _ in range(rows)]
    return np.block(tiles)
