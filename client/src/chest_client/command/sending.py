"""`chestctl upload FOLDER`: hash, offer, send what is missing, seal, wait."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

from rich.progress import Progress

from chest_client.answers import FileAnswer, Upload
from chest_client.client import Client
from chest_client.command.exits import Exit, Misused
from chest_client.command.pending import Pending
from chest_client.command.voice import Voice, counted, refusals, refusals_of, visible
from chest_client.local import LocalFile, find_files, hash_files, named


@dataclass(slots=True)
class Sent:
    """What one delivery brought about."""

    upload: Upload
    continued: bool = False  # it was begun by an earlier call
    answers: list[FileAnswer] = field(default_factory=list)
    files: int = 0
    bytes: int = 0

    @property
    def without_item(self) -> int:
        """Files whose path belongs to another file: no item of the receipt speaks of them."""
        return sum(one.state == "rejected" and one.item is None and one.code != "changed_here" for one in self.answers)


def is_zip(file: Path) -> bool:
    return file.suffix.lower() == ".zip"


def found(folder: Path) -> tuple[list[Path], list[Path]]:
    """Files that are sent, and zips, which are not.

    Raises:
        Misused: it is no folder, or cannot be read.
    """
    if not folder.is_dir():
        raise Misused(f"{folder} is no folder.")
    try:
        files = find_files(folder)
    except OSError as problem:
        raise Misused(f"{folder} cannot be read: {problem.strerror}.") from None
    return [file for file in files if not is_zip(file)], [file for file in files if is_zip(file)]


def hashed(folder: Path, files: Sequence[Path], shown: Progress) -> list[LocalFile]:
    bar = shown.add_task("hashing", total=len(files))
    chunks = hash_files(named(folder, files), lambda more, _: shown.advance(bar, more))
    return [one for chunk in chunks for one in chunk]


def deliver(
    client: Client, pending: Pending, chosen: Mapping[str, Any], files: Sequence[LocalFile], shown: Progress
) -> Sent:
    """Bring files into the upload that is pending, and seal it. Killed anywhere, the same call goes on.

    Raises:
        Misused: there are more files than the service takes in one upload. None was sent.
    """
    continued = pending.begun
    done = Sent(pending.open(client, chosen, files), continued)
    if done.upload.state != "open":
        return done
    lock, key = Lock(), done.upload.id
    if len(files) > (most := done.upload.limits.files):
        client.cancel(key)
        pending.over()
        raise Misused(f"These are {len(files)} files, and the service takes {most} in one upload: send parts of them.")
    checked = client.check(key, files)
    missing = [one for one, answer in zip(files, checked, strict=True) if answer.state == "missing"]
    bar = shown.add_task("sending", total=len(missing))

    def told(more: int, size: int) -> None:
        with lock:  # three lanes tell
            done.files, done.bytes = done.files + more, done.bytes + size
        shown.advance(bar, more)

    sent = client.send_files(key, missing, told)
    done.answers = [*(one for one in checked if one.state != "missing"), *sent]
    pending.sealing(files)
    done.upload = client.seal(key)
    return done


def upload_folder(
    client: Client,
    voice: Voice,
    folder: Path,
    url: str,
    chosen: Mapping[str, Any],
    *,
    wait: bool,
    timeout: float | None,
) -> Exit:
    """Send a folder and wait for its outcomes."""
    files, zips = found(folder)
    for one in zips:
        voice.aside(f"Zips are not sent by this command; unpack it first: {visible(one.name)}")
    if not files:
        raise Misused(f"{folder} holds no files that can be sent.")
    pending = Pending.of(url, folder, "once", chosen)
    with voice.progress() as shown:
        sent = deliver(client, pending, chosen, hashed(folder, files, shown), shown)
        if wait:
            sent.upload = waited(client, sent.upload, timeout, shown)
    pending.over()
    owed = (sent.upload.without_outcome if wait else 0) + sent.without_item + len(zips)
    tell(voice, sent, zips, owed)
    return Exit.WITHOUT_OUTCOME if owed else Exit.DONE


def waited(client: Client, upload: Upload, timeout: float | None, shown: Progress) -> Upload:
    """Wait with two bars: files read, and results."""
    reading, screening = shown.add_task("reading"), shown.add_task("screening")

    def look(now: Upload) -> None:
        shown.update(reading, total=now.offered, completed=now.items_done)
        shown.update(screening, total=sum(now.screenings.values()), completed=now.screenings_done)

    return client.wait(upload.id, timeout=timeout, seen=look)


def tell(voice: Voice, sent: Sent, zips: Sequence[Path], owed: int) -> None:
    now = sent.upload
    data = {
        "upload": now.id,
        "state": now.state,
        "items": now.items,
        "screenings": now.screenings,
        "sent": {"files": sent.files, "bytes": sent.bytes},
        "refused": refusals_of(sent.answers),
        "zips_left_out": [one.name for one in zips],
        "without_outcome": owed,
    }
    lines = [*counted(now), f"  sent: {sent.files} files, {sent.bytes} bytes", *refusals(sent.answers)]
    owes = [f"{owed} files or results have no outcome. See: chestctl receipt {now.id}"] if owed else []
    voice.answer(data, *lines, *owes)
