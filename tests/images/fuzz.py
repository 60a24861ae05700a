"""Damage files at random, by seed, and read each: run in a process of its own, it prints what came of it.

python -m tests.images.fuzz SEED FILES
"""

import json
import resource
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
)

from ml.images import assess
from ml.images.read import Limits, Options, Processed, Unreadable, process_file
from ml.vocabulary import REFUSALS, Modality
from tests import phantoms
from tests.images.conftest import Gate

MEMORY = 4 << 30  # bytes; a decoder that asks for more dies here and not in the test run
SYNTAXES = (
    ImplicitVRLittleEndian,
    DeflatedExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
)


def sound_files() -> list[bytes]:
    frames = np.stack([phantoms.axial_slice(32, seed) for seed in range(3)])
    table = (0, 12, [value * 16 for value in range(256)])
    return [
        *(phantoms.dicom_file(syntax=syntax) for syntax in SYNTAXES),
        phantoms.dicom_file(voi_lut=table, padding=3, ImageType=["ORIGINAL", "PRIMARY"], PatientAge="030Y"),
        phantoms.file_of(phantoms.enhanced_ct(frames)),
        *(phantoms.png_file(phantoms.radiograph(64, 60), kind) for kind in ("gray", "gray16", "palette")),
        *(phantoms.jpeg_file(phantoms.radiograph(64, 60), kind, text="x") for kind in ("gray", "cmyk")),
    ]


def damaged(sound: bytes, dice: np.random.Generator) -> bytes:
    """Flip, overwrite, cut out, double or cut off: one to eight times, mostly near the beginning."""
    data = bytearray(sound)
    for _ in range(int(dice.integers(1, 9))):
        reach = len(data) if dice.random() < 0.4 else min(len(data), 1200)
        at, size = int(dice.integers(0, max(1, reach))), int(dice.integers(1, 9))
        way = int(dice.integers(0, 5))
        if way == 0:
            data[at : at + 1] = bytes([data[at] ^ (1 << int(dice.integers(0, 8)))]) if at < len(data) else b""
        elif way == 1:
            data[at : at + size] = dice.bytes(size)
        elif way == 2:
            del data[at : at + size]
        elif way == 3:
            data[at:at] = data[at : at + size]
        elif dice.random() < 0.2:
            del data[at:]
    return bytes(data)


def outcome_of(data: bytes) -> str:
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "source"
        source.write_bytes(data)
        try:
            processed = process_file(source, Path(folder), Options(key=bytes(32), limits=Limits(max_frames=16)))
        except Unreadable as refused:
            return refused.code if refused.code in REFUSALS else "unknown code"
        whole = Processed.from_json(json.loads(json.dumps(processed.as_json()))) == processed
        return "read" if whole and processed.pictures else "read by halves"


def main(seed: int, files: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    gate = Gate()
    gate.modality = Modality.UNKNOWN
    assess.route = gate
    dice, sound = np.random.default_rng(seed), sound_files()
    counts = Counter(outcome_of(damaged(sound[turn % len(sound)], dice)) for turn in range(files))
    sys.stdout.write(json.dumps(counts) + "\n")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
