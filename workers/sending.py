"""A folder of this machine on its way into the service: found, hashed, offered, and what is missing sent."""

import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final
from uuid import UUID

from django.db import connections

from screening.audit.actor import Actor
from screening.errors import BadOffset, IncompletePart, LimitExceeded
from screening.flows.archiving import Part, receive_archive_part
from screening.flows.offering import Checked, Offered, check_files
from screening.flows.receiving import Arrived, receive_stored
from screening.uploads.paths import PathRefused, clean_path
from screening.uploads.storage import PART, store_incoming

OFFERED_AT_ONCE: Final = 1000
SENT_AT_ONCE: Final = 50
LANES: Final = 3

Told = Callable[[int], None]  # how many more are done


@dataclass(frozen=True, slots=True)
class Found:
    """A file of the folder, under the path that the receipt will name."""

    file: Path
    offer: Offered


@dataclass(frozen=True, slots=True)
class Unread:
    """Something of the folder that could not be read, and why."""

    path: str
    why: str


def find(folder: Path) -> tuple[list[Path], list[Unread]]:
    """Every regular file below a folder, in the order of their paths, and what may be one and cannot be reached.

    Linked folders are not entered.
    """
    unread: list[Unread] = []

    def not_entered(problem: OSError) -> None:
        unread.append(_unread(folder, Path(problem.filename), problem))

    files: list[Path] = []
    for place, _, names in os.walk(folder, onerror=not_entered):
        for path in (Path(place) / name for name in names):
            try:
                if stat.S_ISREG(path.stat().st_mode):
                    files.append(path)
            except OSError as problem:  # a link that leads nowhere, a folder that may be listed and not entered
                unread.append(_unread(folder, path, problem))
    return sorted(files), unread


def hash_files(folder: Path, files: Sequence[Path], told: Told) -> tuple[list[Found], list[Unread]]:
    """Read every file once, several at a time, for its size and SHA-256. Those that cannot be read come second."""

    def one(pair: tuple[Path, str]) -> Found | Unread:
        file, name = pair
        try:
            with file.open("rb") as stream:
                sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
                size = stream.tell()
        except OSError as problem:
            return _unread(folder, file, problem)
        finally:
            told(1)
        return Found(file, Offered(path=name, size=size, sha256=sha256))

    with ThreadPoolExecutor(min(8, 2 * (os.cpu_count() or 1))) as readers:
        results = list(readers.map(one, zip(files, _names(folder, files), strict=True)))
    return (
        [result for result in results if isinstance(result, Found)],
        [result for result in results if isinstance(result, Unread)],
    )


def offer(upload_id: UUID, found: Sequence[Found], actor: Actor) -> list[Checked]:
    """Offer all files; the answers are in the same order."""
    answers: list[Checked] = []
    for start in range(0, len(found), OFFERED_AT_ONCE):
        chunk = [one.offer for one in found[start : start + OFFERED_AT_ONCE]]
        answers += check_files(upload_id=upload_id, files=chunk, actor=actor)
    return answers


def send(upload_id: UUID, missing: Sequence[Found], actor: Actor, told: Told) -> tuple[int, list[Unread]]:
    """Send files in a few lanes. How many bytes went, and what could no longer be read.

    Raises:
        StorageFull: no room; what was sent before stays.
    """
    unread: list[Unread] = []

    def stored(one: Found) -> Arrived | None:
        try:
            return Arrived(path=one.offer.path, stored=store_incoming(_parts(one.file)))
        except OSError as problem:
            unread.append(Unread(one.offer.path, _reason(problem)))
            return None

    def one_request(chunk: tuple[Found, ...]) -> int:
        try:
            arrived = [file for file in map(stored, chunk) if file]
            receive_stored(upload_id=upload_id, files=arrived, actor=actor)
            told(len(chunk))
            return sum(one.stored.size for one in arrived)
        finally:
            connections.close_all()  # of this lane's thread

    with ThreadPoolExecutor(LANES) as lanes:
        return sum(lanes.map(one_request, _requests(missing))), unread


def is_zip(file: Path) -> bool:
    """Whether a file is sent as an archive, whose members a worker brings to the receipt."""
    return file.suffix.lower() == ".zip"


def send_zips(
    folder: Path, upload_id: UUID, zips: Sequence[Path], actor: Actor
) -> tuple[dict[UUID, str], int, list[Unread]]:
    """Send archives one after the other. By archive its path; how many bytes went; what was refused or not read.

    Raises:
        StorageFull: no room; what was sent before stays.
    """
    names: dict[UUID, str] = {}
    sent, unread = 0, []
    for file in zips:
        try:
            size = file.stat().st_size
            part = Part(start=0, length=size, total=size)
            arrived = receive_archive_part(upload_id=upload_id, part=part, parts=_parts(file), actor=actor)
            names[arrived.archive] = _name(folder, file)
            sent += size
        except OSError as problem:
            unread.append(_unread(folder, file, problem))
        except (LimitExceeded, IncompletePart, BadOffset) as refusal:
            unread.append(Unread(_name(folder, file), str(refusal)))
    return names, sent, unread


def _requests(missing: Sequence[Found]) -> Iterator[tuple[Found, ...]]:
    for start in range(0, len(missing), SENT_AT_ONCE):
        yield tuple(missing[start : start + SENT_AT_ONCE])


def _parts(file: Path) -> Iterator[bytes]:
    with file.open("rb") as stream:
        while part := stream.read(PART):
            yield part


def _names(folder: Path, files: Sequence[Path]) -> list[str]:
    """Give each file the path that the receipt will name. Two that the service would take for one are numbered."""
    taken: set[str] = set()
    names = []
    for file in files:
        plain = name = _name(folder, file)
        number = 1
        while _known_as(name) in taken:
            number += 1
            path = PurePosixPath(plain)
            name = str(path.with_name(f"{path.stem} ({number}){path.suffix}"))
        taken.add(_known_as(name))
        names.append(name)
    return names


def _known_as(name: str) -> str:
    try:
        return clean_path(name)
    except PathRefused:
        return name


def _name(folder: Path, file: Path) -> str:
    # Undecodable bytes of a name become "?": the service takes paths as text.
    text = file.relative_to(folder).as_posix()
    return text.encode("utf-8", "replace").decode()


def _unread(folder: Path, path: Path, problem: OSError) -> Unread:
    return Unread(_name(folder, path), _reason(problem))


def _reason(problem: OSError) -> str:
    return problem.strerror or type(problem).__name__
