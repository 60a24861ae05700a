"""Several pictures side by side on one sheet, so that a step of a search is one call for all of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.images.components import Components

Gray = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Sheet:
    """Pictures on a sheet whose rows run on into the next ones; between any two is room."""

    line: Gray  # all rows one after the other, and `reach` rows and pixels more before and after; 255 outside
    inside: Gray  # as long: 255 in a picture, 0 outside
    width: int  # a multiple of 8
    shapes: tuple[tuple[int, int], ...]
    tops: NDArray[np.int64]  # of each picture, in rows
    lefts: NDArray[np.int64]
    shelves: NDArray[np.int64]  # the rows at which pictures begin
    least: tuple[int, ...]  # pixels of the smallest picture of each shelf

    def pictures_of(self, line: NDArray[Any]) -> Iterator[NDArray[Any]]:
        """Give each picture's part of a line that begins with the first row, as a view."""
        for (rows, columns), top, left in zip(self.shapes, self.tops.tolist(), self.lefts.tolist(), strict=True):
            begin = top * self.width
            yield line[begin : begin + rows * self.width].reshape(rows, self.width)[:, left : left + columns]

    def may_be_filled(self, mask: NDArray[np.bool_], share: float) -> bool:
        """Whether so large a share of any picture may be set: not, where a shelf has less than its smallest would."""
        begins = (self.shelves * self.width).tolist()
        counts = [np.count_nonzero(mask[begin:end]) for begin, end in pairwise([*begins, len(mask)])]
        return any(count > share * least for count, least in zip(counts, self.least, strict=True))

    def sorted_out(self, parts: Components) -> Components:
        """Say of parts of the sheet which picture they are in, and where in it."""
        # Pictures stand in the order in which they are read: by shelves, and from left to right.
        shelf = self.shelves[np.searchsorted(self.shelves, parts.top, "right") - 1]
        picture = np.searchsorted(self.tops * self.width + self.lefts, shelf * self.width + parts.left, "right") - 1
        top, left = self.tops[picture], self.lefts[picture]
        return replace(
            parts,
            top=parts.top - top,
            left=parts.left - left,
            bottom=parts.bottom - top,
            right=parts.right - left,
            picture=picture,
        )


def laid_out(pictures: Sequence[Gray], reach: int, apart: int) -> Sheet:
    """Lay pictures onto a sheet, each followed by its negative, beside what came before or on the next shelf.

    Args:
        pictures: None is larger than the first.
        reach: Rows and pixels around all of them.
        apart: Rows and columns between them.
    """
    twice = [gray for gray in pictures for _ in range(2)]
    width = max(sum(gray.shape[1] + apart for gray in some) for some in (twice[:1], twice[2:4]))
    width += -width % 8
    tops, lefts, shelves, least = [], [], [0], [twice[0].size]
    left = high = 0
    for gray in twice:
        if left + gray.shape[1] + apart > width:
            shelves.append(shelves[-1] + high + apart)
            least.append(gray.size)
            left = high = 0
        tops.append(shelves[-1])
        lefts.append(left)
        least[-1] = min(least[-1], gray.size)
        left, high = left + gray.shape[1] + apart, max(high, gray.shape[0])
    begin, size = reach * (width + 1), (shelves[-1] + high) * width
    line, inside = np.full(size + 2 * begin, 255, np.uint8), np.zeros(size + 2 * begin, np.uint8)
    sheet = Sheet(
        line=line,
        inside=inside,
        width=width,
        shapes=tuple(gray.shape for gray in twice),
        tops=np.array(tops),
        lefts=np.array(lefts),
        shelves=np.array(shelves),
        least=tuple(least),
    )
    for within in sheet.pictures_of(inside[begin:]):
        within[:] = 255
    for number, (gray, own) in enumerate(zip(twice, sheet.pictures_of(line[begin:]), strict=True)):
        np.bitwise_xor(gray, 255 * (number % 2), out=own)
    return sheet
