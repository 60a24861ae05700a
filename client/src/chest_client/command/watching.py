"""`chestctl upload FOLDER --watch`: send what has settled, one upload for each quiet period."""

import hashlib
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

from chest_client.answers import Upload
from chest_client.client import Client
from chest_client.command.pending import Pending, place_of
from chest_client.command.sending import Sent, deliver, found, hashed
from chest_client.command.voice import Voice, counted, refusals, refusals_of, visible
from chest_client.errors import Busy, Unreachable

LOOK_SECONDS: Final = 0.5
PATIENT: Final = 10  # quiet periods after which what has settled no longer waits for what has not
MOST: Final = 5000  # files of one upload
AGAIN: Final = frozenset({"path_twice", "changed_here", "hash_mismatch"})  # changed since an upload was begun with it


@dataclass(frozen=True, slots=True)
class Mark:
    """How a file looked: its size and when it was last written."""

    size: int
    written: int  # ns


class Settling:
    """Which files have not changed for so many seconds. Asked with the time, so that it has no clock."""

    def __init__(self, quiet: float) -> None:
        self._quiet = quiet
        self._since: dict[Path, tuple[Mark, float]] = {}

    def ready(self, now: float, files: Mapping[Path, Mark]) -> list[Path]:
        """Give files to send: all of them once all are settled, or some once they have waited for long."""
        self._since = {file: (mark, self._first_seen(file, mark, now)) for file, mark in files.items()}
        ages = {file: now - since for file, (_, since) in self._since.items()}
        settled = [file for file, age in ages.items() if age >= self._quiet]
        waited = max((ages[file] for file in settled), default=0.0)
        if len(settled) == len(files) or waited >= PATIENT * self._quiet:
            return sorted(settled)
        return []

    def _first_seen(self, file: Path, mark: Mark, now: float) -> float:
        before, since = self._since.get(file, (None, now))
        return since if before == mark else now


class Memory:
    """Which files were sent, each as a digest of its path, size and time: no name is written down."""

    def __init__(self, place: Path) -> None:
        self._place = place.with_suffix(".sent")
        self._known = set(self._place.read_text().split()) if self._place.exists() else set()

    def new(self, files: Mapping[Path, Mark]) -> dict[Path, Mark]:
        return {file: mark for file, mark in files.items() if _digest(file, mark) not in self._known}

    def add(self, files: Iterable[tuple[Path, Mark]]) -> None:
        fresh = [_digest(file, mark) for file, mark in files]
        number = os.open(self._place, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(number, "w") as stream:
            stream.writelines(f"{one}\n" for one in fresh)
            stream.flush()
            os.fsync(stream.fileno())
        self._known.update(fresh)


def _digest(file: Path, mark: Mark) -> str:
    return hashlib.sha256(os.fsencode(file) + f"|{mark.size}|{mark.written}".encode()).hexdigest()


def watch_folder(
    client: Client, voice: Voice, folder: Path, url: str, chosen: Mapping[str, Any], *, quiet: float
) -> None:
    """Send what is new and settled, until ended. Killed anywhere, the next call goes on with the same upload."""
    folder = folder.resolve()
    pending = Pending.of(url, folder, "watch", chosen)
    memory = Memory(place_of("watch", url, str(folder), dict(chosen)))
    settling = Settling(quiet)
    told: set[Path] = set()
    while True:
        held, zips = found(folder)
        _tell_of_zips(voice, sorted(set(zips) - told))
        told.update(zips)
        files = memory.new(_marks(held))
        ready = settling.ready(time.monotonic(), files)
        if ready:
            part = dict(islice(((file, files[file]) for file in ready), MOST))  # the others follow at once
            try:
                _send(client, voice, folder, pending, chosen, part, memory)
            except (Unreachable, Busy) as problem:
                voice.aside(f"{problem} What is new is sent as soon as the service answers.")
        time.sleep(min(LOOK_SECONDS, quiet))


def _tell_of_zips(voice: Voice, zips: Sequence[Path]) -> None:
    """Say once of each that it is left out, and never send it."""
    if not zips:
        return
    lines = (f"Zips are not sent by this command; unpack it first: {visible(one.name)}" for one in zips)
    voice.answer({"zips_left_out": [one.name for one in zips]}, *lines)


def _marks(files: Sequence[Path]) -> dict[Path, Mark]:
    marks = {}
    for file in files:
        try:
            seen = file.stat()
        except OSError:
            continue  # gone again, or a link to nowhere
        marks[file] = Mark(seen.st_size, seen.st_mtime_ns)
    return marks


def _send(
    client: Client,
    voice: Voice,
    folder: Path,
    pending: Pending,
    chosen: Mapping[str, Any],
    ready: Mapping[Path, Mark],
    memory: Memory,
) -> None:
    with voice.progress() as shown:
        files = hashed(folder, list(ready), shown)
        sent = deliver(client, pending, chosen, files, shown)
    again = {one.path for one in sent.answers if one.code in AGAIN} if sent.continued else set()
    memory.add((one.file, ready[one.file]) for one in files if one.path not in again)
    pending.over()
    voice.answer(_told(sent), *counted(sent.upload), *refusals(sent.answers))


def _told(sent: Sent) -> dict[str, Any]:
    now: Upload = sent.upload
    counts = {"files": sent.files, "bytes": sent.bytes}
    return {"upload": now.id, "state": now.state, "sent": counts, "refused": refusals_of(sent.answers)}
