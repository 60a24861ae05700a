"""Kept files by their places: read and written here, or in the store where one is named.

A place is a path below BLOB_ROOT. Without a store it is the file itself, and every function is one call of the
operating system. With one it names an object, and what is read is a copy on this machine. Raises `StoreAway` where the
store cannot be asked, and FileNotFoundError where there is no such file, with a store as without.
"""

import hashlib
import secrets
import time
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Final
from uuid import UUID

from django.conf import settings

from screening.store.cache import cache
from screening.store.objects import Objects, objects

BLOBS: Final = "blobs/"


def key_of(path: Path) -> str:
    """The key of a place."""
    return BLOBS + path.relative_to(settings.BLOB_ROOT).as_posix()


def at_hand(path: Path) -> Path:
    """A file of this machine with the bytes of a place, to be opened at once.

    Raises:
        FileNotFoundError: with a store, where there is no such object. Without one, opening says so.
    """
    store = objects()
    if store is None:
        return path
    held = store.held(key_of(path))
    if held is None:
        raise FileNotFoundError(path.name)
    return cache().find(held.sha256) or _fetched(store, path)


def bytes_of(path: Path, sha256: str) -> tuple[bytes | None, bool]:
    """The bytes of a place if they are those of a hash, else None; and whether anything lay there.

    The hash names the copy: one that is on this machine is read without asking the store.
    """
    found = cache().find(sha256) if objects() is not None else None
    if found is not None:
        data = found.read_bytes()
        if _is(data, sha256):
            return data, True
        cache().forget(sha256)
    try:
        data = at_hand(path).read_bytes()
    except FileNotFoundError:
        return None, False
    except OSError:  # no room for a copy is no reason not to read
        if (store := objects()) is None:
            raise
        data = store.read(key_of(path))
    return (data if _is(data, sha256) else None), True


def _is(data: bytes, sha256: str) -> bool:
    return hashlib.sha256(data).hexdigest() == sha256


def _fetched(store: Objects, path: Path) -> Path:
    fresh = cache().fresh()
    return cache().add(fresh, store.fetch(key_of(path), fresh))


def is_kept(path: Path) -> bool:
    """Whether there is a file at a place."""
    store = objects()
    return path.is_file() if store is None else store.held(key_of(path)) is not None


def age_of(path: Path) -> float:
    """Seconds since a file was written.

    Raises:
        FileNotFoundError: there is none.
    """
    store = objects()
    if store is None:
        return time.time() - path.stat().st_mtime
    held = store.held(key_of(path))
    if held is None:
        raise FileNotFoundError(path.name)
    return time.time() - held.at


def names_in(folder: Path) -> set[str]:
    """The names of the files in a folder; none if there is no folder."""
    store = objects()
    if store is None:
        return {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    return {found.key.rpartition("/")[2] for found in store.listed(f"{key_of(folder)}/")}


def put(path: Path, data: bytes) -> None:
    """Put bytes in a file's place so that no reader ever sees half of them.

    Raises:
        OSError: they could not be written; what was there stands.
    """
    if (store := objects()) is not None:
        store.put(key_of(path), data)
        return
    temporary = path.with_name(f".{secrets.token_hex(8)}")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def draft_of(path: Path) -> Path:
    """Where a file may be written before `place` puts it in its place."""
    return path.with_name(f".{secrets.token_hex(8)}") if objects() is None else cache().fresh()


def place(draft: Path, path: Path) -> None:
    """Put a written file in its place, whole."""
    if (store := objects()) is None:
        draft.replace(path)
    else:
        cache().add(draft, store.put_file(key_of(path), draft))


def drop(path: Path) -> None:
    """Delete a file. One that is gone already is no error."""
    if (store := objects()) is None:
        path.unlink(missing_ok=True)
    else:
        store.drop([key_of(path)])


def drop_named(folder: Path, prefix: str, *, but: str = "") -> None:
    """Delete the files of a folder whose names begin so, but one."""
    for name in sorted(names_in(folder)):
        if name.startswith(prefix) and name != but:
            drop(folder / name)


def put_folder(store: Objects, prepared: Path, folder: Path) -> None:
    """Put a prepared folder in the place of a kept one: what lay there under other names goes first.

    Every file is in the store when this returns; a row may name them then. Copies stay at hand.
    """
    files = sorted(prepared.iterdir())
    stale = names_in(folder) - {file.name for file in files}
    store.drop(f"{key_of(folder)}/{name}" for name in sorted(stale))
    for file in files:
        place(file, folder / file.name)
    prepared.rmdir()


def drop_folder(store: Objects, folder: Path) -> bool:
    """Delete every file of a folder. Whether there was any."""
    names = sorted(names_in(folder))
    store.drop(f"{key_of(folder)}/{name}" for name in names)
    return bool(names)


def old_folders(store: Objects, before: float) -> Iterator[tuple[UUID, str]]:
    """Site and hash of each kept folder of which nothing is younger than `before` (seconds since 1970)."""
    for folder, found in groupby(store.listed(BLOBS), key=lambda one: one.key.rpartition("/")[0]):
        if max(one.at for one in found) < before:
            site, _, sha256 = folder.removeprefix(BLOBS).split("/")
            yield UUID(site), sha256
