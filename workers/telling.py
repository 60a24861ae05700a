"""What `manage.py screen` writes: the receipt as files, and on the terminal what matters of it."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ml.vocabulary import DISCLAIMER, REFUSALS
from screening.flows.offering import Checked
from screening.flows.receipt import ReceiptItem, refused_archives
from screening.flows.receipt_forms import as_json, receipt_csv
from screening.results.selectors import FLAGGED, NOT_ASSESSED
from screening.uploads.models import ItemState, Upload
from workers.sending import Unread

SHOWN: Final = 40  # lines of a list on the terminal; the rest is in the receipt
WITHOUT_OUTCOME: Final = frozenset(
    {ItemState.EXPECTED, ItemState.RECEIVED, ItemState.FAILED, ItemState.NOT_SENT, ItemState.CANCELLED}
)


def zips_not_taken(upload: Upload, names: Mapping[UUID, str]) -> list[dict[str, str]]:
    """Archives of which no member, or not every one, became an item, by the path they were sent from."""
    found = []
    for archive in refused_archives(upload):
        refusal = REFUSALS.get(archive.code)
        message, what_to_do = (refusal.message, refusal.what_to_do) if refusal else ("It was not opened.", "")
        path = names.get(archive.pk, "")
        found.append({"path": path, "code": archive.code, "message": message, "what_to_do": what_to_do})
    return found


def document(upload: Upload, items: Sequence[ReceiptItem], archives: Sequence[dict[str, str]]) -> dict[str, Any]:
    """The receipt as it stands in the JSON file."""
    return {
        "disclaimer": DISCLAIMER,
        "upload": str(upload.pk),
        "archives": list(archives),
        "items": [as_json(item, with_paths=True) for item in items],
    }


def write_json(target: Path, upload: Upload, items: Sequence[ReceiptItem], archives: Sequence[dict[str, str]]) -> None:
    """Write the receipt as one JSON object, whole or not at all."""
    _write(target, json.dumps(document(upload, items, archives), ensure_ascii=False, indent=1) + "\n")


def write_csv(target: Path, upload: Upload) -> None:
    """Write the receipt as CSV, whole or not at all."""
    _write(target, "".join(receipt_csv(upload, with_paths=True)))


def _write(target: Path, text: str) -> None:
    # Beside the target, so that the receipt, which holds paths, is never half and never readable by others.
    fresh = target.with_name(f".{target.name}.new")
    fresh.unlink(missing_ok=True)
    fresh.touch(mode=0o600)
    fresh.write_text(text, encoding="utf-8", newline="")
    fresh.replace(target)


def tell(
    console: Console, upload: Upload, items: Sequence[ReceiptItem], archives: Sequence[dict[str, str]] = ()
) -> None:
    """Print the sums, what was refused, what was not assessed and what was flagged."""
    console.print(_sums(items))
    _list(console, "Not taken", [_refusal(item) for item in items if item.code])
    zips = [f"{one['path']}: {one['message']} {one['what_to_do']}" for one in archives]
    _list(console, "Zips of which not every member was taken", zips)
    _list(console, "Not assessed", _sentences(items, NOT_ASSESSED))
    _list(console, "Flagged", _sentences(items, FLAGGED), empty="Nothing was flagged.")
    console.print(f"Receipt of upload {upload.pk}.")
    console.print(DISCLAIMER)


def tell_unread(console: Console, unread: Sequence[Unread], not_taken: Sequence[Checked]) -> None:
    """Print what of the folder is on no receipt."""
    lines = [f"{one.path}: {one.why}" for one in unread]
    _list(console, "Not read", lines)
    _list(console, "Not offered", [f"{one.path}: {one.message} {one.what_to_do}" for one in not_taken])


def without_outcome(items: Sequence[ReceiptItem]) -> int:
    """How many files, or results of files, the service still owes."""
    owed = sum(item.outcome in WITHOUT_OUTCOME for item in items)
    results = [result for item in items for image in item.images for result in image.results]
    return owed + sum(result.outcome == "waiting" for result in results)


def _sums(items: Sequence[ReceiptItem]) -> Table:
    table = Table("files", "number", box=None)
    for outcome, number in sorted(Counter(item.outcome for item in items).items()):
        table.add_row(outcome, str(number))
    flags = Counter(result.flag for item in items for image in item.images for result in image.results)
    for flag, number in sorted(flags.items()):
        table.add_row(f"results {flag}", str(number))
    return table


def _refusal(item: ReceiptItem) -> str:
    return f"{item.path}: {item.message or item.code} {item.what_to_do or ''}"


def _sentences(items: Sequence[ReceiptItem], flag: str) -> list[str]:
    return [
        f"{item.path}: {result.why}"
        for item in items
        for image in item.images
        for result in image.results
        if result.flag == flag
    ]


def _list(console: Console, title: str, lines: Sequence[str], *, empty: str = "") -> None:
    if lines:
        console.print(f"[bold]{title}[/bold] ({len(lines)})")
    elif empty:
        console.print(empty)
    for line in lines[:SHOWN]:
        console.print(f"  {escape(line)}", highlight=False, soft_wrap=True)
    if len(lines) > SHOWN:
        console.print(f"  and {len(lines) - SHOWN} more: see the receipt (--json or --csv)")
