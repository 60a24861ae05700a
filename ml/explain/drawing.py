"""One heat map as files: the raw map, and the picture with the heat over it."""

import hashlib
import io
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ml.evaluation.field import FIELD_VERSION
from ml.explain import gradcam, levels
from ml.explain.explainer import Explainer, explain_all
from ml.explain.overlay import overlay
from ml.images.png import make_png

QUALITY: Final = 88  # of the overlay's JPEG


@dataclass(frozen=True, slots=True)
class HeatMap:
    """A drawn map."""

    raw_png: bytes  # 512 x 512, gray of 8 bits, of the plane: 255 is the hottest place
    overlay_jpeg: bytes  # as large as the preview
    outside: float | None  # part of the heat outside the central field, 0 to 1; None if there is no heat
    method: str
    field: str


def map_key(*, plane_sha256: str, model_sha256: str, label: str) -> str:
    """Name a map by everything that decides it: the same key, the same bytes."""
    parts = (plane_sha256, model_sha256, label, gradcam.METHOD, levels.METHOD, FIELD_VERSION)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def draw(explainer: Explainer, plane: bytes, *, label: str, preview: bytes) -> HeatMap:
    """Explain one label's score on one plane, and lay the heat over the preview.

    Args:
        explainer: A loaded model.
        plane: 512 * 512 bytes.
        label: One of the model's.
        preview: A gray JPEG of the whole picture, of which the plane is all but the border.

    Raises:
        BundleError: `label_unknown`.
    """
    [told] = explain_all(explainer, [plane], label)
    gray = np.asarray(Image.open(io.BytesIO(preview)).convert("L"))
    return HeatMap(
        raw_png=make_png(np.asarray(np.rint(told.heat * 255), np.uint8)),
        overlay_jpeg=_as_jpeg(overlay(gray, told.heat)),
        outside=told.outside,
        method=told.method,
        field=told.field,
    )


def _as_jpeg(pixels: NDArray[np.uint8]) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=QUALITY)
    return out.getvalue()
