"""Connected parts of a binary picture, by its runs: what scipy's `label` gives, without scipy."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Whole = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Components:
    """Parts that touch at a side or a corner, one entry each. Boxes are half open."""

    top: Whole
    left: Whole
    bottom: Whole
    right: Whole
    area: Whole  # pixels
    weight: Whole  # sum of the weights of its pixels
    runs: Whole  # rows' runs in it: one a row for a bar, two where a row crosses two strokes

    def __len__(self) -> int:
        return len(self.top)

    def only(self, wanted: NDArray[np.bool_] | Whole) -> "Components":
        """Give those that are wanted, by mask or by index."""
        return Components(*(getattr(self, name)[wanted] for name in self.__slots__))


def components_of(mask: NDArray[np.bool_], weights: NDArray[np.uint8]) -> Components:
    """Find the parts of a mask of shape `(rows, columns)`; weights have the same shape."""
    rows, columns = mask.shape
    padded = np.zeros((rows, columns + 1), np.bool_)  # no run goes from one row into the next
    padded[:, :columns] = mask
    flat = padded.ravel()
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    if flat[0]:
        edges = np.append(0, edges)
    first, past = edges[::2], edges[1::2]
    row, width = first // (columns + 1), columns + 1
    root = _joined(first, past, width)
    heavy = np.append(0, np.cumsum(weights[mask], dtype=np.int64))  # the pixels of the mask, run by run
    ends = np.cumsum(past - first)
    weight = heavy[ends] - heavy[ends - (past - first)]
    return _summed(root, row, first - row * width, past - row * width, weight)


def _joined(first: Whole, past: Whole, width: int) -> Whole:
    """Give each run the index of the first run of its part. Eight neighbours."""
    # A run touches those of the next row that begin at its end or before, and end at its start or after.
    low = np.searchsorted(past, first + width, side="left")
    high = np.searchsorted(first, past + width, side="right")
    count = np.maximum(high - low, 0)
    upper = np.repeat(np.arange(len(first)), count)
    lower = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count) + np.repeat(low, count)
    root = np.arange(len(first))
    while True:
        a, b = root[upper], root[lower]
        differ = a != b
        if not differ.any():
            return root
        upper, lower, a, b = upper[differ], lower[differ], a[differ], b[differ]
        np.minimum.at(root, np.maximum(a, b), np.minimum(a, b))
        while True:
            jumped = root[root]
            if np.array_equal(jumped, root):
                break
            root = jumped


def _summed(root: Whole, row: Whole, left: Whole, right: Whole, weight: Whole) -> Components:
    order = np.argsort(root, kind="stable")
    starts = np.flatnonzero(np.diff(root[order], prepend=-1))
    if not len(starts):
        return Components(*(np.empty(0, np.int64) for _ in range(7)))
    row, left, right, weight = row[order], left[order], right[order], weight[order]
    return Components(
        top=row[starts],
        left=np.minimum.reduceat(left, starts),
        bottom=np.maximum.reduceat(row, starts) + 1,
        right=np.maximum.reduceat(right, starts),
        area=np.add.reduceat(right - left, starts),
        weight=np.add.reduceat(weight, starts),
        runs=np.diff(np.append(starts, len(row))),
    )
