"""How fast files of each kind are read, from bytes to what is kept of them, on one core."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless

from ml.images.read import Options, process_file
from tests import phantoms
from tests.benchmarks.measuring import decode_seconds, say
from tests.benchmarks.sending import radiographs

SMALL = 200
LARGE = 3  # drawn pictures of each kind
SHAPE = (3000, 2500)
pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(900)]


def drawn(seed: int) -> np.ndarray[Any, np.dtype[np.uint16]]:
    """A radiograph of 12 bits as large as detectors make them, with grain."""
    grain = np.random.default_rng(seed).integers(-30, 30, SHAPE)
    return np.clip(phantoms.radiograph(*SHAPE, seed).astype(np.int32) * 15 + 100 + grain, 0, 4095).astype(np.uint16)


def reading_seconds(files: Sequence[bytes], folder: Path, **options: Any) -> float:
    """Processor seconds of one file, as a decoding child reads it: text, gate, previews and what is kept included."""
    folder.mkdir()
    source = folder / "source"
    started = time.process_time()
    for content in files:
        source.write_bytes(content)
        process_file(source, folder, Options(key=bytes(32), **options))
    return (time.process_time() - started) / len(files)


KINDS: dict[str, Callable[[int], bytes]] = {
    "large_png": lambda seed: phantoms.png_file((drawn(seed) >> 4).astype(np.uint8)),
    "large_jpeg": lambda seed: phantoms.jpeg_file((drawn(seed) >> 4).astype(np.uint8)),
    "dicom": lambda seed: phantoms.dicom_file(drawn(seed), bits=12, syntax=ExplicitVRLittleEndian),
    "dicom_jpeg_2000": lambda seed: phantoms.dicom_file(drawn(seed), bits=12, syntax=JPEG2000Lossless),
}


def test_how_fast_small_jpegs_are_decoded(real_pictures: Path) -> None:
    say("decode_small_jpeg", 1 / decode_seconds(radiographs(real_pictures, SMALL)), "images/s/core", SMALL)


@pytest.mark.parametrize("kind", KINDS)
def test_how_fast_large_pictures_are_read(kind: str, tmp_path: Path) -> None:
    files = [KINDS[kind](seed) for seed in range(LARGE)]
    whole = reading_seconds(files, tmp_path / "whole")
    say(f"read_{kind}", 1 / whole, "images/s/core", LARGE, pixels=list(SHAPE))
    if kind == "dicom_jpeg_2000":
        reduced = reading_seconds(files, tmp_path / "reduced", reduced=True)
        say(f"read_{kind}_reduced", 1 / reduced, "images/s/core", LARGE, pixels=list(SHAPE))
        say("reduced_against_whole", whole / reduced, "times", LARGE)
        assert reduced < whole
