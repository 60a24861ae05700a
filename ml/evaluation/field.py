"""The central field: where lungs lie on a plane, told without a mask."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

# Part of every figure that depends on the field: another shape is another version.
FIELD_VERSION: Final = "field-1"

CENTRES: Final = (0.27, 0.73)  # of the plane's width; both at half its height
HALF_WIDTH: Final = 0.23
HALF_HEIGHT: Final = 0.4014  # so that the two ellipses, which touch and do not overlap, cover 58 %


def central_field(side: int) -> NDArray[np.bool_]:
    """Return what of a plane lies in either of two fixed ellipses: a stand-in for the lungs, not a mask of them.

    Args:
        side: Pixels a side, 1 or more.

    Returns:
        bool `(side, side)`, rows first: True within, 58 % of the plane.

    Example:
        >>> round(float(central_field(512).mean()), 3)
        0.58
    """
    centre = (np.arange(side) + 0.5) / side
    rows, columns = centre[:, np.newaxis], centre[np.newaxis, :]
    height = ((rows - 0.5) / HALF_HEIGHT) ** 2
    within = [((columns - middle) / HALF_WIDTH) ** 2 + height <= 1.0 for middle in CENTRES]
    return np.asarray(within[0] | within[1])
