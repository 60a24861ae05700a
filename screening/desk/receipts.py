"""One page of a receipt as people see it. The download holds every item; this holds fifty."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.db.models import Count, Q

from screening.flows.receipt import ReceiptItem, ReceiptResult, assemble
from screening.results.selectors import FLAGGED, NOT_ASSESSED, NOT_FLAGGED, WAITING
from screening.uploads.models import Item, ItemState, Upload

PAGE: Final = 50
_TELLING: Final = (FLAGGED, NOT_ASSESSED, WAITING, NOT_FLAGGED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What one model said about a file."""

    model: str
    word: str
    why: str
    pictures: int  # with that word, if the file holds several


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One item of a receipt."""

    item: ReceiptItem
    said: tuple[Said, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptPage:
    """A page of a receipt, with how many items there are of each outcome."""

    lines: tuple[Line, ...]
    counts: tuple[tuple[str, str, int], ...]  # state, its name, how many
    offered: int
    following: str  # key of the last line, if more follow


def page_of_receipt(upload: Upload, *, outcome: str, after: str) -> ReceiptPage:
    """Items in the order of their paths, behind the item `after`, with a fixed number of queries."""
    items = upload.items.order_by("path", "pk")
    if outcome == ItemState.RECEIVED:  # decoding counts as received
        items = items.filter(state__in=(ItemState.RECEIVED, ItemState.DECODING))
    elif outcome:
        items = items.filter(state=outcome)
    last = _item(upload, after)
    if last is not None:
        items = items.filter(Q(path__gt=last.path) | Q(path=last.path, pk__gt=last.pk))
    found = list(items[: PAGE + 1])
    shown = found[:PAGE]
    counts = _counts(upload)
    return ReceiptPage(
        lines=tuple(_line(item) for item in assemble(upload, shown, with_paths=True)),
        counts=counts,
        offered=sum(number for _state, _name, number in counts),
        following=str(shown[-1].pk) if len(found) > PAGE else "",
    )


def _item(upload: Upload, key: str) -> Item | None:
    try:
        return upload.items.filter(pk=UUID(key)).first()
    except ValueError:
        return None


def _counts(upload: Upload) -> tuple[tuple[str, str, int], ...]:
    # Rows, not keys, are counted: an index of upload and state tells them.
    found = dict(upload.items.order_by().values_list("state").annotate(number=Count("*")))
    found[ItemState.RECEIVED] = found.get(ItemState.RECEIVED, 0) + found.pop(ItemState.DECODING, 0)
    return tuple((state.value, str(state.label), found[state]) for state in ItemState if found.get(state))


def _line(item: ReceiptItem) -> Line:
    by_model: dict[str, list[ReceiptResult]] = defaultdict(list)
    for image in item.images:
        for result in image.results:
            by_model[result.model].append(result)
    return Line(item=item, said=tuple(_said(model, results) for model, results in by_model.items()))


def _said(model: str, results: Sequence[ReceiptResult]) -> Said:
    """Fold the pictures of a file into one line: the most telling word, and how many pictures it stands for."""
    told = min(results, key=lambda result: _TELLING.index(result.flag))
    same = [result for result in results if result.flag == told.flag]
    return Said(model=model, word=told.flag, why=told.why, pictures=len(same) if len(results) > 1 else 0)
