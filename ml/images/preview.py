"""The preview: what people see of a picture in lists and while a study is read."""

import io
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

LONGEST: Final = 1024  # pixels
QUALITY: Final = 85


def make_preview(gray: NDArray[np.uint8]) -> bytes:
    """Make a gray JPEG, longest side at most 1024 pixels and never enlarged, without metadata.

    Args:
        gray: uint8, shape `(rows, columns)`.
    """
    picture = Image.fromarray(np.ascontiguousarray(gray))
    longest = max(picture.size)
    if longest > LONGEST:
        width, height = (max(1, round(side * LONGEST / longest)) for side in picture.size)
        picture = picture.resize((width, height), Image.Resampling.BILINEAR)
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=QUALITY)
    return out.getvalue()
