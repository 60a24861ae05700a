import io

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from ml.images import strokes, text
from ml.images.components import components_of
from ml.images.sheet import laid_out
from ml.images.text import find_text
from tests import phantoms

LINES = ("QUILLFEATHER, ZEBEDEE", "ID 40815162", "1951-03-14")


def ink_of(clean, burned):
    return np.abs(burned.astype(int) - clean) > 40


def page(lines, size=12):
    """A white page of small print, and where its letters are."""
    words = [f"dose report of an examination, 12.3 mGy and 45.6 mGy*cm, line {n}" for n in range(lines)]
    clean = np.full((1100, 850), 255, np.uint8)
    burned = phantoms.with_text(clean, words, size=size, at=(20, 20), value=0)
    return burned, ink_of(clean, burned)


def covered(regions, ink):
    """The part of the ink that lies within the boxes."""
    inside = np.zeros(ink.shape, bool)
    for region in regions:
        inside[region.row : region.row + region.height, region.column : region.column + region.width] = True
    return (ink & inside).sum() / ink.sum()


@pytest.mark.parametrize("value", [255, 200])
@pytest.mark.parametrize(("side", "size"), [(400, 12), (512, 16), (900, 24), (2000, 30), (2000, 60)])
def test_lines_of_text_are_found_at_every_size(side, size, value):
    dim = (phantoms.radiograph(side, side * 3 // 4) * 0.5).astype(np.uint8)
    clean = np.pad(dim, ((0, 0), (0, side // 4)))  # the text begins on the picture and ends on the black margin
    burned = phantoms.with_text(clean, size=size, at=(side // 20, side * 3 // 4 - 6 * size), value=value)

    assert find_text(clean) == ()
    assert covered(find_text(burned), ink_of(clean, burned)) > 0.95


def test_one_line_is_found_after_jpeg():
    clean = phantoms.radiograph(600, 500)
    burned, out = phantoms.with_text(clean, ["Zebedee Quillfeather 14.03.1951"]), io.BytesIO()
    Image.fromarray(burned).save(out, "JPEG", quality=60)

    assert covered(find_text(np.asarray(Image.open(out))), ink_of(clean, burned)) > 0.9


def bold(picture, size, words="QUILLFEATHER ZEBEDEE"):
    """Letters whose strokes are a sixth as wide as they are high, and more."""
    ink = Image.new("L", picture.shape[::-1])
    font = ImageFont.load_default(size)
    ImageDraw.Draw(ink).text((30, 40), words, font=font, fill=255, stroke_width=round(size / 24))
    return np.maximum(picture, np.asarray(ink))


@pytest.mark.parametrize("size", [36, 52, 72, 100, 150])
@pytest.mark.parametrize("thick", [False, True])
def test_large_and_bold_letters_are_found(size, thick):
    clean = (phantoms.radiograph(1024, 1024) * 0.6).astype(np.uint8)
    words = "QUILLFEATHER ZEBEDEE"
    burned = bold(clean, size) if thick else phantoms.with_text(clean, [words], size=size, at=(40, 30))

    assert covered(find_text(burned), ink_of(clean, burned)) > 0.95


@pytest.mark.parametrize("size", [40, 80, 130])
def test_bold_side_marker_alone_is_no_line_of_text(size):
    assert find_text(bold(phantoms.radiograph(900, 800), size, "R")) == ()


@pytest.mark.parametrize("deviation", [18, 25, 35])
@pytest.mark.parametrize("size", [16, 30])
def test_letters_in_grain_are_found_and_grain_is_not(deviation, size):
    grain = np.random.default_rng(deviation).normal(0, deviation, (900, 900))
    clean = np.clip(phantoms.radiograph(900, 900) * 0.5 + grain, 0, 255).astype(np.uint8)
    burned = phantoms.with_text(clean, size=size, at=(60, 60))

    assert find_text(clean) == ()
    assert covered(find_text(burned), ink_of(clean, burned)) > 0.9


@pytest.mark.parametrize(("lines", "size"), [(30, 12), (60, 12), (60, 10)])
def test_every_line_of_a_full_page_is_found(lines, size):
    burned, ink = page(lines, size)

    assert covered(find_text(burned), ink) > 0.97


def test_dark_text_on_white_is_found():
    clean = np.full((400, 400), 240, np.uint8)
    burned = phantoms.with_text(clean, value=0)

    assert covered(find_text(burned), ink_of(clean, burned)) > 0.95


@pytest.mark.parametrize("marker", ["R", "L", "AP"])
@pytest.mark.parametrize("size", [16, 30, 48, 80, 130])
def test_side_marker_alone_is_no_line_of_text(marker, size):
    assert find_text(phantoms.with_text(phantoms.radiograph(600, 500), [marker], size=size, at=(20, 20))) == ()


def ruler(picture):
    picture[100:500:10, 20:30] = 255  # upright
    picture[560:572, 100:400:9] = 255  # and level
    return picture


def wires(picture):
    for offset in (0, 60, 130):
        rows = (200 + offset + 40 * np.sin(np.arange(500) / 40)).astype(int)
        picture[rows, np.arange(500)] = picture[rows + 1, np.arange(500)] = 255
    return picture


def collimated(picture):
    picture[:80], picture[-60:], picture[:, :50], picture[:, -40:] = 0, 0, 0, 0
    return picture


def grained(picture):
    return np.random.default_rng(0).integers(0, 256, picture.shape, np.uint8)


def dotted(picture):
    return np.random.default_rng(0).choice(np.array([0, 255], np.uint8), picture.shape)


def blocky(picture):
    out = io.BytesIO()
    Image.fromarray(picture).save(out, "JPEG", quality=15)
    return np.array(Image.open(out))


@pytest.mark.parametrize(
    "change", [ruler, wires, collimated, grained, dotted, blocky, np.zeros_like, lambda picture: picture]
)
def test_what_is_no_text_is_not_taken_for_it(change):
    assert find_text(change(phantoms.radiograph(600, 500))) == ()


@pytest.mark.parametrize("seed", range(4))
def test_slice_without_text_has_none(seed):
    hounsfield = phantoms.axial_slice(512, seed)

    assert find_text(((np.clip(hounsfield, -1350, 150) + 1350) * 0.17).astype(np.uint8)) == ()


@pytest.mark.parametrize("shape", [(1, 1), (3, 900), (16, 16), (17, 4000)])
def test_picture_of_any_shape_can_be_asked(shape):
    assert find_text(np.full(shape, 255, np.uint8)) == ()


def test_boxes_lie_within_the_picture_and_are_the_same_each_time():
    burned = phantoms.with_text(phantoms.radiograph(1201, 1199), size=40, at=(1060, 700))

    regions = find_text(burned)

    assert regions == find_text(burned.copy())
    assert regions
    for region in regions:
        assert 0 <= region.row < region.row + region.height <= 1201
        assert 0 <= region.column < region.column + region.width <= 1199


def test_parts_that_touch_at_a_corner_are_one():
    mask = np.array([[1, 0, 0, 1, 1], [0, 1, 0, 0, 1], [0, 0, 0, 0, 1], [1, 1, 0, 0, 1]], bool)
    weights = np.arange(20, dtype=np.uint8).reshape(4, 5)

    parts = components_of(mask, weights)

    boxes = {tuple(map(int, box)) for box in zip(parts.top, parts.left, parts.bottom, parts.right, strict=True)}
    assert boxes == {(0, 0, 2, 2), (0, 3, 4, 5), (3, 0, 4, 2)}
    found = {
        int(left): (int(a), int(w), int(r))
        for left, a, w, r in zip(parts.left[:2], parts.area, parts.weight, parts.runs, strict=False)
    }
    assert found == {0: (2, 6, 2), 3: (5, 3 + 4 + 9 + 14 + 19, 4)}


def test_parts_are_those_that_another_program_finds():
    from_elsewhere = pytest.importorskip("skimage.measure")
    mask = np.random.default_rng(1).random((60, 70)) < 0.4

    parts = components_of(mask, np.ones(mask.shape, np.uint8))

    others = from_elsewhere.regionprops(from_elsewhere.label(mask, connectivity=2))
    ours = zip(parts.top, parts.left, parts.bottom, parts.right, parts.area, strict=True)
    assert sorted(tuple(map(int, part)) for part in ours) == sorted((*part.bbox, int(part.area)) for part in others)


def test_lines_of_a_full_page_are_compared_with_the_others_once_each(monkeypatch):
    asked, compare = [], text._one_block
    monkeypatch.setattr(text, "_one_block", lambda boxes, known: asked.append(len(boxes)) or compare(boxes, known))

    found = find_text(page(60)[0])

    assert 40 < len(found) <= len(asked) <= 2 * max(asked)


def by_definition(gray):
    """Where bright strokes may be, and by how much they stand out, one picture at a time."""
    picture = Image.fromarray(gray)
    opened = picture.filter(ImageFilter.MinFilter(strokes.STROKE)).filter(ImageFilter.MaxFilter(strokes.STROKE))
    step = gray - np.asarray(opened)
    around = np.asarray(Image.fromarray(step).filter(ImageFilter.MaxFilter(strokes.AROUND)))
    mask = (step >= strokes.STEP) & (step > around // 2)
    if mask.mean() > strokes.MOST_STROKES:
        mask &= step >= np.quantile(step, 1 - strokes.GRAIN_LEFT)
        mask &= mask.mean() <= 2 * strokes.GRAIN_LEFT
    return mask, step


FIRST = phantoms.with_text(phantoms.radiograph(301, 263), size=14, at=(40, 30))
SEARCHED = [  # together: reduced pictures of one, pictures of one size, and each alone
    [FIRST, FIRST[::2, ::2], FIRST[::4, ::4]],
    [change(phantoms.radiograph(150, 190)) for change in (np.copy, grained, np.zeros_like)],
    [change(phantoms.radiograph(130, 70)) for change in (dotted, grained, np.ones_like, np.copy)],
    *([np.random.default_rng(seed).integers(0, 30 + 25 * seed, (97, 60), np.uint8)] for seed in range(6)),
]


@pytest.mark.parametrize("pictures", SEARCHED)
def test_strokes_of_pictures_that_are_searched_together_are_those_of_each_alone(pictures):
    sheet = laid_out(pictures, strokes.REACH, strokes.APART)

    at, steps = strokes._strokes(sheet)

    found, weights = np.zeros((2, len(sheet.line)), np.uint8)
    found[at], weights[at] = 1, steps
    both = [each for gray in pictures for each in (gray, ~gray)]
    for gray, own, weight in zip(both, sheet.pictures_of(found), sheet.pictures_of(weights), strict=True):
        mask, step = by_definition(gray)
        assert np.array_equal(own.astype(bool), mask)
        assert np.array_equal(weight, step * mask)
    assert len(at) == sum(np.count_nonzero(by_definition(gray)[0]) for gray in both)
