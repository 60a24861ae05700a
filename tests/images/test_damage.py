"""Files that nobody drew for us, and files damaged at random: each ends in an outcome with a code."""

import json
import subprocess
import sys
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import pytest

from ml.images.read import Limits, Unreadable, rebuild_plane
from ml.vocabulary import REFUSALS
from tests.images import fuzz

ROOT = Path(__file__).resolve().parents[2]
LIMITS = Limits(max_frames=8)  # keeps the run short

# What some of them must come to; the others only must come to something.
NAMED = {
    "DICOMDIR": "not_an_image",
    "test-SR.dcm": "not_an_image",
    "liver.dcm": "not_an_image",
    "rtplan.dcm": "not_an_image",
    "reportsi.dcm": "not_an_image",
    "MR_truncated.dcm": "truncated",
    "zipMR.gz": "not_an_image_file",
    "JPGExtended.dcm": "unsupported_transfer_syntax",
    "JPEG2000-embedded-sequence-delimiter.dcm": "inconsistent_pixels",
    "gdcm-US-ALOKA-16.dcm": "unsupported_pixels",
    "SC_rgb_32bit.dcm": "unsupported_pixels",
    "meta_missing_tsyntax.dcm": "inconsistent_pixels",
    "color3d_jpeg_baseline.dcm": "too_many_frames",
    "CT_small.dcm": "read",
    "MR_small_padded.dcm": "read",
    "MR_small_bigendian.dcm": "read",
    "image_dfl.dcm": "read",
    "693_J2KI.dcm": "read",
    "JPEGLSNearLossless_16.dcm": "read",
    "emri_small_RLE.dcm": "too_many_frames",
    "bad_sequence.dcm": "read",
    "explicit_VR-UN.dcm": "read",
    "eCT_Supplemental.dcm": "read",
    "RG1_J2KR.dcm": "read",
    "no_meta_group_length.dcm": "no_pixels",
}


def collected(package: str, folder: str) -> list[Path]:
    found = find_spec(package)
    if found is None or not found.submodule_search_locations:
        return []
    root = Path(next(iter(found.submodule_search_locations))) / folder
    return sorted(path for path in root.rglob("*") if path.is_file() and path.suffix not in {".py", ".pyc"})


@pytest.mark.parametrize(
    ("package", "folder", "at_least"),
    [("pydicom", "data", 150), ("data_store", "data", 60)],
    ids=["pydicom", "pydicom-data"],
)
def test_every_file_of_the_collections_ends_in_an_outcome(package, folder, at_least, read):
    files = collected(package, folder)
    if not files:
        pytest.skip(f"{package} is not installed")
    ends: dict[str, str] = {}

    for path in files:
        try:
            outcome = read(path.read_bytes(), limits=LIMITS)
        except Unreadable as refused:
            ends[path.name] = refused.code
            continue
        ends[path.name] = "read"
        for picture in outcome.processed.pictures:
            assert rebuild_plane(outcome.source, picture.frame) == outcome.plane(picture.frame).tobytes()

    assert len(files) >= at_least
    assert set(ends.values()) <= {"read", *REFUSALS}
    assert {name: end for name, end in ends.items() if NAMED.get(name, end) != end} == {}
    assert Counter(ends.values())["read"] >= at_least // 3


def test_sound_files_of_the_fuzzer_are_sound():
    assert {fuzz.outcome_of(data) for data in fuzz.sound_files()} == {"read"}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_damaged_files_are_read_or_refused_and_never_crash(seed):
    run = subprocess.run(
        [sys.executable, "-m", "tests.images.fuzz", str(seed), "200"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )

    assert run.returncode == 0, run.stderr[-2000:]
    counts = json.loads(run.stdout.splitlines()[-1])
    assert set(counts) <= {"read", *REFUSALS}
    assert sum(counts.values()) == 200
    assert sum(count for code, count in counts.items() if code != "read") >= 60
