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
    picture: Whole  # which one it is in, from 0

    def __len__(self) -> int:
        return len(self.top)

    def only(self, wanted: NDArray[np.bool_] | Whole) -> "Components":
        """Give those that are wanted, by mask or by index."""
        return Components(*(getattr(self, name)[wanted] for name in self.__slots__))


def components_of(mask: NDArray[np.bool_], weights: NDArray[np.uint8]) -> Components:
    """Find the parts of a mask of shape `(rows, columns)`; weights have the same shape."""
    row, column = np.nonzero(mask)
    width = mask.shape[1] + 1
    return components_at(row * width + column, weights[mask], width)


def components_at(at: Whole, weights: NDArray[np.uint8], width: int) -> Components:
    """Find the parts that some pixels make.

    Args:
        at: Their places in ascending order, counted through rows of `width` pixels. None is the last of its row.
        weights: Of each.
        width: In pixels.
    """
    if not len(at):
        return Components(*(np.empty(0, np.int64) for _ in range(8)))
    begins = np.ones(len(at), np.bool_)
    np.greater(at[1:] - at[:-1], 1, out=begins[1:])
    starts = np.flatnonzero(begins)
    ends = np.concatenate((starts[1:], [len(at)]))
    first, past = at[starts], at[ends - 1] + 1
    weight = np.add.reduceat(weights, starts, dtype=np.int64)
    return _summed(_joined(first, past, width), first, past, weight, width)


def _joined(first: Whole, past: Whole, width: int) -> Whole:
    """Give each run the index of the first run of its part. Eight neighbours."""
    # A run touches those of the row above that end at its start or after, and begin at its end or before.
    low = np.searchsorted(past, first - width, side="left")
    high = np.searchsorted(first, past - width, side="right")
    root = _to_roots(np.where(low < high, low, np.arange(len(first))))
    # Most touch one run above, and are of its part by now. Others join two parts.
    forks = np.flatnonzero(high - low > 1)
    count = high[forks] - low[forks] - 1
    lower = np.repeat(forks, count)
    upper = np.arange(len(lower)) + np.repeat(low[forks] + 1 - np.cumsum(count) + count, count)
    while True:
        a, b = root[upper], root[lower]
        differ = a != b
        if not differ.any():
            return root
        upper, lower, a, b = upper[differ], lower[differ], a[differ], b[differ]
        np.minimum.at(root, np.maximum(a, b), np.minimum(a, b))
        root = _to_roots(root)


def _to_roots(root: Whole) -> Whole:
    """Follow what each run is joined to, to the end."""
    while True:
        jumped = root[root]
        if np.array_equal(jumped, root):
            return root
        root = jumped


def _summed(root: Whole, first: Whole, past: Whole, weight: Whole, width: int) -> Components:
    every = root == np.arange(len(root))
    part = (np.cumsum(every) - 1)[root]
    count = int(part.max()) + 1
    row = first // width
    left, right = first - row * width, past - row * width
    lefts, rights = np.full(count, width), np.zeros(count, np.int64)
    bottoms, areas, heavy = (np.zeros(count, np.int64) for _ in range(3))
    np.minimum.at(lefts, part, left)
    np.maximum.at(rights, part, right)
    np.maximum.at(bottoms, part, row)
    np.add.at(areas, part, past - first)
    np.add.at(heavy, part, weight)
    return Components(
        top=row[every],
        left=lefts,
        bottom=bottoms + 1,
        right=rights,
        area=areas,
        weight=heavy,
        runs=np.bincount(part),
        picture=np.zeros(count, np.int64),
    )
