"""Files of this machine: found, named as the receipt will name them, and hashed."""

import hashlib
import os
import stat
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

HASHED_AT_ONCE: Final = 1000
SYSTEM: Final = frozenset({".ds_store", "thumbs.db", "desktop.ini", ".gitkeep"})  # nobody means to send them
Told = Callable[[int, int], None]  # how many more files and bytes are done


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file, the path that the receipt will name, its size in bytes and the SHA-256 of its bytes.

    Without a hash it could not be read: offered like this it is refused, and stands on the receipt.
    """

    path: str
    file: Path
    size: int
    sha256: str


def find_files(folder: Path) -> list[Path]:
    """Every file below a folder, in the order of their paths, and folders that cannot be listed.

    Linked folders are not entered. One that went away meanwhile is nothing.

    Raises:
        OSError: the folder itself cannot be listed.
    """
    found: list[Path] = []

    def not_entered(problem: OSError) -> None:
        if Path(problem.filename) == folder:
            raise problem
        if not isinstance(problem, FileNotFoundError):
            found.append(Path(problem.filename))  # cannot be read either: it stands on the receipt

    for place, _, names in os.walk(folder, onerror=not_entered):
        files = (Path(place) / name for name in names)
        found += [file for file in files if file.name.lower() not in SYSTEM and _may_be_sent(file)]
    return sorted(found)


def _may_be_sent(file: Path) -> bool:
    """Whether it is a regular file, or a link that leads nowhere: that one is offered as unreadable."""
    try:
        return stat.S_ISREG(file.stat().st_mode)
    except OSError:
        return True


def named(folder: Path, files: Sequence[Path]) -> list[tuple[str, Path]]:
    """Name files as the receipt will: relative to the folder. Two that the service takes for one are numbered."""
    taken: set[str] = set()
    pairs = []
    for file in files:
        # Bytes of a name that are no text become "?": the service takes paths as text.
        plain = name = file.relative_to(folder).as_posix().encode("utf-8", "replace").decode()
        number = 1
        while _known_as(name) in taken:
            number += 1
            path = PurePosixPath(plain)
            name = str(path.with_name(f"{path.stem} ({number}){path.suffix}"))
        taken.add(_known_as(name))
        pairs.append((name, file))
    return pairs


def _known_as(name: str) -> str:
    return unicodedata.normalize("NFC", name).replace("\\", "/")


def hash_files(pairs: Sequence[tuple[str, Path]], told: Told | None = None) -> Iterator[list[LocalFile]]:
    """Read every file once, several at a time; give them in chunks of a thousand, in their order."""

    def one(pair: tuple[str, Path]) -> LocalFile:
        hashed = _hashed(*pair)
        if told:
            told(1, hashed.size)
        return hashed

    with ThreadPoolExecutor(min(8, 2 * (os.cpu_count() or 1))) as readers:
        for start in range(0, len(pairs), HASHED_AT_ONCE):
            yield list(readers.map(one, pairs[start : start + HASHED_AT_ONCE]))


def _hashed(path: str, file: Path) -> LocalFile:
    try:
        with file.open("rb") as stream:
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
            return LocalFile(path, file, stream.tell(), sha256)
    except OSError:
        return LocalFile(path, file, 0, "")


def read_folder(folder: Path) -> list[LocalFile]:
    """Find and hash every file below a folder.

    Raises:
        OSError: the folder itself cannot be listed.
    """
    return [one for chunk in hash_files(named(folder, find_files(folder))) for one in chunk]
