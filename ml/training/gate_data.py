"""Pictures for the gate: chest pictures, drawn and misused ones, photographs, other DICOM."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pydicom
import skimage.data
import sklearn.datasets
from numpy.typing import NDArray
from pydicom.data import get_testdata_file

from ml.images.plain import read_plain
from ml.images.plane import make_plane
from ml.training import negatives
from ml.training.augment import Degradation, degraded_plane, generator_for
from ml.training.data import Example, choose

Gray = NDArray[np.uint8]
LABELS: Final = {"xray": ("covid", "pneumonia", "normal"), "ct": ("covid", "non_covid")}
PER_FAMILY: Final = 300
PER_TEST_FAMILY: Final = 200
CROPS: Final = 20  # of each photograph
SKIMAGE: Final = (
    "astronaut.png",
    "brick.png",
    "camera.png",
    "cell.png",
    "chelsea.png",
    "coffee.png",
    "coins.png",
    "grass.png",
    "gravel.png",
    "hubble_deep_field.jpg",
    "ihc.png",
    "moon.png",
    "motorcycle_left.png",
    "page.png",
    "retina.jpg",
    "rocket.jpg",
    "text.png",
)
SKLEARN: Final = ("china.jpg", "flower.jpg")
# Of pydicom and pydicom-data, if installed; nothing is downloaded.
OTHER_DICOM: Final[Mapping[str, tuple[str, ...]]] = {
    "mr": ("MR_small.dcm", "examples_overlay.dcm", "emri_small.dcm", "MR2_UNCR.dcm"),
    "us": (
        "examples_palette.dcm",
        "examples_rgb_color.dcm",
        "US1_UNCR.dcm",
        "JPGLosslessP14SV1_1s_1f_8b.dcm",
        "color3d_jpeg_baseline.dcm",
    ),
    "nm": ("JPEG2000.dcm",),
    "extremity": ("RG3_UNCR.dcm",),
    "ct_of_neck_or_pancreas": ("bad_sequence.dcm", "explicit_VR-UN.dcm"),
}
LITTLE: Final = Degradation(crop=0.03, side=(200, 512), rotation=3.0)


def chest(manifest: Sequence[Example], split: str) -> list[Example]:
    """Return the chest pictures of both modalities in one split."""
    present = {example.modality for example in manifest if example.split == split}
    return [
        example
        for modality, labels in LABELS.items()
        if modality in present
        for example in choose(manifest, modality=modality, split=split, labels=labels)
    ]


def gray_of(example: Example) -> Gray:
    """Read an example's gray values."""
    return read_plain(example.path.read_bytes()).gray


def for_training(pictures: Sequence[Gray], seed: int, part: int, parts: int) -> Iterator[tuple[str, Gray]]:
    """Yield `(family, plane)` of one part of what the gate is told to refuse.

    Parts share no photograph; if their `pictures` share no patient, neither do misused pictures.
    """
    count = PER_FAMILY // parts
    yield from _drawn(negatives.DRAWN_FOR_TRAINING, count, seed + part)
    yield from _misused(negatives.MISUSED_FOR_TRAINING, pictures, count, seed + part)
    yield from _photographs("photograph", _packaged(skimage.data, SKIMAGE)[part::parts], seed)


def for_test(pictures: Sequence[Gray], seed: int) -> Iterator[tuple[str, Gray]]:
    """Yield `(family, plane)` of families that training never saw."""
    yield from _drawn(negatives.DRAWN_FOR_TEST, PER_TEST_FAMILY, seed)
    yield from _misused(negatives.MISUSED_FOR_TEST, pictures, PER_TEST_FAMILY, seed)
    yield from _photographs("photograph_of_another_set", _packaged(sklearn.datasets, SKLEARN, "images"), seed)
    for family, names in OTHER_DICOM.items():
        for name in names:
            for gray in _frames(name):
                yield family, make_plane(gray)


def _drawn(families: Mapping[str, negatives.Draw], count: int, seed: int) -> Iterator[tuple[str, Gray]]:
    for number, (family, draw) in enumerate(families.items()):
        for one in range(count):
            yield family, make_plane(draw(generator_for(seed, 1, number, one)))


def _misused(
    families: Mapping[str, negatives.Misuse], pictures: Sequence[Gray], count: int, seed: int
) -> Iterator[tuple[str, Gray]]:
    for number, (family, misuse) in enumerate(families.items()):
        for one in range(count):
            rng = generator_for(seed, 2, number, one)
            yield family, degraded_plane(misuse(pictures, rng), LITTLE, rng)


def _photographs(family: str, paths: Sequence[Path], seed: int) -> Iterator[tuple[str, Gray]]:
    for number, path in enumerate(paths):
        gray = read_plain(path.read_bytes()).gray
        for one in range(CROPS):
            rng = generator_for(seed, 3, number, one)
            rows, columns = (max(32, int(side * rng.uniform(0.4, 1.0))) for side in gray.shape)
            top, left = (
                int(rng.integers(0, side - part + 1)) for side, part in zip(gray.shape, (rows, columns), strict=True)
            )
            yield family, degraded_plane(gray[top : top + rows, left : left + columns], LITTLE, rng)


def _packaged(package: object, names: Sequence[str], *folders: str) -> list[Path]:
    root = Path(str(package.__file__)).parent.joinpath(*folders)  # type: ignore[attr-defined]
    return [root / name for name in names if (root / name).is_file()]


def _frames(name: str) -> list[Gray]:
    path = get_testdata_file(name, download=False)
    if path is None:
        return []
    dataset = pydicom.dcmread(str(path))
    pixels = np.asarray(dataset.pixel_array, np.float32)
    if dataset.SamplesPerPixel == 3:
        pixels = pixels.mean(axis=-1)
    frames = pixels[None] if pixels.ndim == 2 else pixels[:: max(1, len(pixels) // 5)]
    low, high = np.percentile(pixels, [1, 99])
    return [np.clip((frame - low) / max(high - low, 1) * 255, 0, 255).astype(np.uint8) for frame in frames]
