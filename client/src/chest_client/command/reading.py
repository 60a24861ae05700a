"""The commands that ask: models, wait, results, export, receipt, retry."""

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


def results(client: Client, voice: Voice, since: int, upload: UUID | None, wait: float) -> Exit:
    """List what changed after a change number, waiting for it if asked, and say with which number to ask next."""
    if wait:
        client.wait_for_changes(since, timeout=wait, upload=upload)
    studies = list(client.results(since, upload=upload))
    reached = max([since, *(study.change_number for study in studies)])
    voice.answer({"results": studies, "since": reached}, studies_table(studies), f"Next: --since {reached}")
    return Exit.DONE


def export(client: Client, form: str, since: int, upload: UUID | None, output: Path | None) -> Exit:
    """Write results as a table, a row for each study, picture and model, as the service streams it."""
    with _target(output) as stream:
        for piece in client.export(form, changed_since=since, upload=upload):
            stream.write(piece)
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


def receipt(client: Client, voice: Voice, upload: UUID, *, as_csv: bool) -> Exit:
    """Show what became of every file, or give the table that the service writes of it."""
    if as_csv:
        sys.stdout.buffer.write(client.receipt_csv(upload))
        return _ended(client, upload)
    told = client.receipt(upload)
    rows = [(one.path or one.item, one.outcome, _why(one), ", ".join(_flags(one))) for one in told.items]
    unmatched = [f"{told.unmatched} rows of side tables match no file."] if told.unmatched else []
    voice.answer(told, table(("file", "outcome", "why", "flags"), rows), *unmatched, told.disclaimer)
    return _ended(client, upload)


def _why(item: Item) -> str:
    return " ".join(word for word in (item.message, *item.notes) if word)


def _ended(client: Client, upload: UUID) -> Exit:
    return Exit.WITHOUT_OUTCOME if client.upload(upload).without_outcome else Exit.DONE


def _flags(item: Item) -> list[str]:
    return sorted({result.flag for image in item.images for result in image.results})


def retry(client: Client, voice: Voice, upload: UUID) -> Exit:
    """Ask once that what failed is tried again."""
    queued = client.retry(upload)
    voice.answer({"upload": upload, "queued": queued}, f"{queued} files and results are tried again.")
    return Exit.DONE
