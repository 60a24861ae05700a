"""Corrected files: which failure of an earlier upload a file of a later one replaces.

Staff take the failures of an upload away as a table, correct the files, and send them in an upload that names the
first. Nobody has to say which file stands for which: the path does, as far as it fits one failure alone. It is noted
when the file is offered, so that both receipts tell it and a name that is deleted later takes nothing with it.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Final
from uuid import UUID

from django.db.models import QuerySet

from ml.vocabulary import DISCLAIMER, REFUSALS
from screening.uploads.models import Item, ItemState, Upload
from screening.uploads.receipt import csv_lines

FAILURES: Final = (ItemState.REJECTED, ItemState.FAILED, ItemState.NOT_SENT)
ITEM: Final = ("path", "size", "outcome", "code", "message", "what_to_do")
COLUMNS: Final = (*ITEM, "replaced_by", "replaced_by_outcome", "disclaimer")
AT_ONCE: Final = 500


def failures_of(upload_id: UUID) -> QuerySet[Item]:
    """Files of an upload that came to nothing and can be corrected or sent again. Purged ones are gone."""
    return Item.objects.filter(upload_id=upload_id, state__in=FAILURES).exclude(path="")


def name_replaced(upload: Upload, items: Sequence[Item]) -> None:
    """Note on unsaved items of a correcting upload which failures they replace; no failure twice in one upload.

    The first of these that fits one failure alone: the path; the path with another ending; the file's name in
    whatever folder; that name with another ending.
    """
    if upload.corrects_id is None or not items:
        return
    taken = set(Item.objects.filter(upload=upload, replaces__isnull=False).values_list("replaces_id", flat=True))
    failures = list(failures_of(upload.corrects_id).order_by().values_list("pk", "path"))
    for rule in RULES:
        count = Counter(rule(path) for _, path in failures)
        single = {rule(path): key for key, path in failures if count[rule(path)] == 1}
        for item in items:
            found = single.get(rule(item.path))
            if item.replaces_id is None and found is not None and found not in taken:
                item.replaces_id = found
                taken.add(found)


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _without_ending(path: str) -> str:
    folder, slash, name = path.rpartition("/")
    stem, dot, _ = name.rpartition(".")
    return f"{folder}{slash}{stem if dot and stem else name}"


RULES: Final[tuple[Callable[[str], str], ...]] = (
    str,
    _without_ending,
    _name,
    lambda path: _without_ending(_name(path)),
)


def failures_csv(upload: Upload) -> Iterator[str]:
    """Give the failures of an upload as CSV, one line each: what happened, what to do, and what replaced it."""
    return csv_lines(COLUMNS, _rows(upload))


def _rows(upload: Upload) -> Iterator[list[object]]:
    keys = list(failures_of(upload.pk).order_by("path", "pk").values_list("pk", flat=True))
    for start in range(0, len(keys), AT_ONCE):
        chunk = keys[start : start + AT_ONCE]
        items = Item.objects.in_bulk(chunk)
        replaced = replacements_of(chunk)
        for key in chunk:
            if key in items:
                yield _row(items[key], replaced.get(key))


def _row(item: Item, replacement: Item | None) -> list[object]:
    refusal = REFUSALS.get(item.code)
    told = [refusal.message, refusal.what_to_do] if refusal else [_NOT_SENT, _SEND] if not item.code else ["", ""]
    after = [replacement.path, replacement.state] if replacement else ["", ""]
    return [item.path, item.size, item.state, item.code, *told, *after, DISCLAIMER]


_NOT_SENT: Final = "The file was offered and never arrived."
_SEND: Final = "Send it in a new upload."


def replacements_of(keys: Sequence[UUID]) -> dict[UUID, Item]:
    """By failure: the file that last replaced it."""
    rows = Item.objects.filter(replaces__in=keys).order_by("created_at", "pk")
    return {item.replaces_id: item for item in rows if item.replaces_id is not None}
