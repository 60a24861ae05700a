"""Photographs and other DICOM that come with installed packages. Nothing is downloaded; what is absent is left out."""

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
from ml.images.read import rebuild_plane
from ml.training.negatives.canvas import Gray
from ml.vocabulary import PLANE_SIDE

# To teach by: surfaces and things under lenses.
TEXTURES: Final = (
    "brick.png",
    "cell.png",
    "coins.png",
    "grass.png",
    "gravel.png",
    "hubble_deep_field.jpg",
    "ihc.png",
    "microaneurysms.png",
    "moon.png",
    "retina.jpg",
)
# To test by: people, animals, rooms, streets, pages.
SCENES: Final = (
    "astronaut.png",
    "camera.png",
    "chelsea.png",
    "clock_motion.png",
    "coffee.png",
    "motorcycle_left.png",
    "page.png",
    "rocket.jpg",
    "text.png",
)
SKLEARN: Final = ("china.jpg", "flower.jpg")
# To test by. Copies of one picture in other encodings are left out.
OTHER_DICOM: Final[Mapping[str, tuple[str, ...]]] = {
    "mr": ("MR_small.dcm", "examples_overlay.dcm", "emri_small.dcm", "MR2_UNCR.dcm"),
    "us": (
        "JPGLosslessP14SV1_1s_1f_8b.dcm",
        "OBXXXX1A.dcm",
        "OBXXXX1A_2frame.dcm",
        "US1_UNCR.dcm",
        "color-pl.dcm",
        "color3d_jpeg_baseline.dcm",
        "examples_rgb_color.dcm",
        "examples_ybr_color.dcm",
    ),
    "nm": ("JPEG2000.dcm", "JPEG-LL.dcm"),
    "extremity": ("RG3_UNCR.dcm",),
    "ct_of_head": ("693_UNCR.dcm", "J2K_pixelrep_mismatch.dcm", "eCT_Supplemental.dcm"),
    "ct_of_neck_or_belly": ("bad_sequence.dcm", "explicit_VR-UN.dcm", "CT_small.dcm"),
    "test_pattern": ("SC_rgb.dcm", "mlut_18.dcm", "GDCMJ2K_TextGBR.dcm", "image_dfl.dcm"),
}


def textures() -> list[Gray]:
    """Return pictures of surfaces, to teach by."""
    return _read(_installed(skimage.data, TEXTURES))


def scenes() -> list[Gray]:
    """Return photographs, to test by."""
    return _read([*_installed(skimage.data, SCENES), *_installed(sklearn.datasets, SKLEARN, "images")])


def other_dicom() -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Yield `(family, plane)` of pictures of other modalities and parts, each plane as the service makes it."""
    for family, names in OTHER_DICOM.items():
        for name in names:
            found = get_testdata_file(name, download=False)
            if found is not None:
                path = Path(str(found))
                count = int(pydicom.dcmread(path, stop_before_pixels=True).get("NumberOfFrames") or 1)
                plane = np.frombuffer(rebuild_plane(path, count // 2), np.uint8)  # frames of one file are alike
                yield family, plane.reshape(PLANE_SIDE, PLANE_SIDE)


def _installed(package: object, names: Sequence[str], *folders: str) -> list[Path]:
    root = Path(str(package.__file__)).parent.joinpath(*folders)  # type: ignore[attr-defined]
    return [root / name for name in names if (root / name).is_file()]


def _read(paths: Sequence[Path]) -> list[Gray]:
    return [read_plain(path.read_bytes()).gray for path in paths]
