"""The commands that ask: models, wait, results, export, receipt, retry."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from uuid import UUID

from chest_client.answers import Item
from chest_client.client import Client
from chest_client.command.exits import Exit, Misused
from chest_client.command.places import written
from chest_client.command.sending import waited
from chest_client.command.voice import Voice, counted, studies_table, table
from chest_client.shaping import plain


def models(client: Client, voice: Voice) -> Exit:
    known = client.models()
    rows = [(one.name, one.modality, ", ".join(one.labels), "yes" if one.default else "") for one in known]
    voice.answer({"results": known}, table(("model", "for", "labels", "default"), rows))
    return Exit.DONE


def wait(client: Client, voice: Voice, upload: UUID, timeout: float | None) -> Exit:
    """Wait for the outcomes of an upload."""
    with voice.progress() as shown:
        now = waited(client, client.upload(upload), timeout, shown)
    voice.answer(now, *counted(now))
    return Exit.WITHOUT_OUTCOME if now.without_outcome else Exit.DONE


def results(client: Client, voice: Voice, since: int, upload: UUID | None) -> Exit:
    """List what changed after a change number, and say with which number to ask next."""
    studies = list(client.results(since, upload=upload))
    reached = max([since, *(study.change_number for study in studies)])
    voice.answer({"results": studies, "since": reached}, studies_table(studies), f"Next: --since {reached}")
    return Exit.DONE


def export(client: Client, form: str, since: int, upload: UUID | None, output: Path | None) -> Exit:
    """Write studies as NDJSON, or the receipt of one upload as CSV.

    Raises:
        Misused: a CSV of no upload, which the service does not write.
    """
    if form == "csv" and upload is None:
        raise Misused("The service writes CSV of one upload: name it with --upload, or take --format ndjson.")
    with _target(output) as stream:
        if form == "csv" and upload is not None:
            stream.write(client.receipt_csv(upload))
        else:
            for study in client.results(since, upload=upload):
                stream.write(json.dumps(plain(study), ensure_ascii=False).encode() + b"\n")
    return Exit.DONE


@contextmanager
def _target(output: Path | None) -> Iterator[IO[bytes]]:
    if output is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    if not output.parent.is_dir():
        raise Misused(f"{output.parent} is no folder.")
    with written(output) as stream:
        yield stream


def receipt(client: Client, voice: Voice, upload: UUID) -> Exit:
    """Show what became of every file."""
    told = client.receipt(upload)
    rows = [(one.path or one.item, one.outcome, one.message or "", ", ".join(_flags(one))) for one in told.items]
    voice.answer(told, table(("file", "outcome", "why", "flags"), rows), told.disclaimer)
    now = client.upload(upload)
    return Exit.WITHOUT_OUTCOME if now.without_outcome else Exit.DONE


def _flags(item: Item) -> list[str]:
    return sorted({result.flag for image in item.images for result in image.results})


def retry(client: Client, voice: Voice, upload: UUID) -> Exit:
    """Ask once that what failed is tried again."""
    queued = client.retry(upload)
    voice.answer({"upload": upload, "queued": queued}, f"{queued} files and results are tried again.")
    return Exit.DONE
