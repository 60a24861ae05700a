"""Where bytes lie. Names of people's files are data and never become part of a path here.

incoming/<random>            raw bytes until the outcome of ingest; owner only, never in backups
blobs/<site>/<aa>/<sha256>/  kept source, previews `<frame>.jpg`, planes `<frame>.plane`, and for the viewer
                             `<frame>.<format>.deep`, made when somebody looks
blobs/.preparing/<random>/   such a folder on its way in or out

Where STORAGE_URL names a store, `incoming/` and `blobs/` are the beginnings of its keys, and the folders here hold only
what is on its way: see `screening/uploads/kept.py`.
"""

import errno
import hashlib
import os
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple, TypeVar
from uuid import UUID

import structlog
from django.conf import settings
from django.utils.translation import gettext as _

from screening.errors import StorageFull
from screening.store.errors import StoreAway
from screening.store.objects import objects
from screening.uploads.kept import put_folder

log = structlog.get_logger(__name__)

INCOMING: Final = "incoming/"  # of keys in a store
PART: Final = 1024 * 1024  # bytes read at a time
PREPARING: Final = ".preparing"  # beside the sites' blobs, on the same file system
NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def new_incoming() -> str:
    """A fresh name under incoming/ that nobody can guess."""
    return secrets.token_hex(20)


def incoming_path(name: str) -> Path:
    """Where raw bytes lie; where there is a store, only while they arrive here."""
    return Path(settings.INCOMING_ROOT) / name


def incoming_is_kept(name: str) -> bool:
    """Whether raw bytes are there, here or in the store."""
    store = objects()
    return incoming_path(name).is_file() if store is None else store.held(INCOMING + name) is not None


@contextmanager
def raw_file(name: str) -> Iterator[Path]:
    """Give raw bytes as a file of this machine. A copy of what the store holds is gone afterwards: it is identifying.

    Bytes that are gone are a path without a file.

    Raises:
        StoreAway: they cannot be had now.
        StorageFull: this machine has no room for the copy.
    """
    store = objects()
    if store is None:
        yield incoming_path(name)
        return
    copy = incoming_path(new_incoming())
    try:
        try:
            store.fetch(INCOMING + name, copy)
        except FileNotFoundError:
            log.warning("raw_bytes_gone")
        except OSError as error:
            raise_if_full(error)
            raise
        yield copy
    finally:
        copy.unlink(missing_ok=True)


def hand_over(name: str) -> None:
    """Put an incoming file that is whole into the store, if there is one, before a row says that it is whole."""
    if (store := objects()) is not None:
        store.put_file(INCOMING + name, incoming_path(name))


def handed_over(name: str) -> None:
    """Delete what is left here of a file that the store holds."""
    if objects() is not None:
        incoming_path(name).unlink(missing_ok=True)


def blob_folder(site_id: UUID, sha256: str) -> Path:
    """The folder of one file's kept bytes. Exists once its outcome is `accepted`."""
    return Path(f"{settings.BLOB_ROOT}/{site_id}/{sha256[:2]}/{sha256}")


def preparing_folder() -> Path:
    """Where folders are filled before they take their place, and where they go from it."""
    return Path(settings.BLOB_ROOT) / PREPARING


class Stored(NamedTuple):
    """Raw bytes that are durable under incoming/."""

    name: str
    sha256: str
    size: int


Looked = TypeVar("Looked")


class Incoming:
    """A raw file while it arrives: hashed as it is written, durable once `finish` returned."""

    def __init__(self) -> None:
        self.name = new_incoming()
        self.size = 0
        self._path = incoming_path(self.name)
        self._digest = hashlib.sha256()
        self._sent = False
        with self._gone_if_full():
            self._file = os.fdopen(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")

    def write(self, part: bytes) -> None:
        """Add bytes.

        Raises:
            StorageFull: no room; nothing is left behind.
        """
        self._digest.update(part)
        self.size += len(part)
        with self._gone_if_full():
            self._file.write(part)

    def look(self, at: Callable[[Path], Looked]) -> Looked:
        """Let somebody read what has arrived."""
        with self._gone_if_full():
            self._file.flush()
        return at(self._path)

    def finish(self) -> Stored:
        """Make the file durable and say what it is.

        Raises:
            StorageFull: no room; nothing is left behind.
            StoreAway: it could not be put into the store; nothing is left behind.
        """
        with self._gone_if_full(), self._file:
            self._file.flush()
            if objects() is None:
                os.fsync(self._file.fileno())
        try:
            self._sent = objects() is not None  # also where that fails midway
            hand_over(self.name)
        except BaseException:
            self.discard()
            raise
        handed_over(self.name)
        return Stored(self.name, self._digest.hexdigest(), self.size)

    def discard(self) -> None:
        """Leave nothing behind. Also after `finish`."""
        if self._sent:
            self._sent = False
            drop_incoming([self.name])
        # Unlinked before it is closed: closing writes what is buffered, which fails again on a full disk.
        self._path.unlink(missing_ok=True)
        with suppress(OSError):
            self._file.close()

    @contextmanager
    def _gone_if_full(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if hasattr(self, "_file"):
                self.discard()
            raise_if_full(error)
            raise


def raise_if_full(error: OSError) -> None:
    """Name an operating system's error for what it means to the sender, if it is about room.

    Raises:
        StorageFull: there was no room.
    """
    if error.errno in NO_ROOM:
        raise StorageFull(_("There is no room left for this file.")) from error


def store_incoming(parts: Iterable[bytes]) -> Stored:
    """Write parts to a new incoming file and make them durable.

    Raises:
        StorageFull: no room; nothing is left behind.
    """
    incoming = Incoming()
    try:
        for part in parts:
            incoming.write(part)
        return incoming.finish()
    except BaseException:
        incoming.discard()
        raise


def flush_incoming() -> None:
    """Make the names under incoming/ durable, as `Incoming.finish` made the bytes. A store needs no such step."""
    if objects() is not None:
        return
    handle = os.open(settings.INCOMING_ROOT, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def drop_incoming(names: Iterable[str]) -> None:
    """Delete raw bytes. A name that is gone already is no error.

    Rows tell by now that they are not needed: what a store that is away cannot delete is swept a day later.
    """
    gone = [name for name in names if name]
    for name in gone:
        incoming_path(name).unlink(missing_ok=True)
    if gone and (store := objects()) is not None:
        try:
            store.drop(INCOMING + name for name in gone)
        except StoreAway:
            log.warning("raw_bytes_left_to_the_sweep", files=len(gone))


def keep_blob(prepared: Path, site_id: UUID, sha256: str) -> Path:
    """Move a prepared folder to its place. One that is there already is replaced: it may be half of one."""
    target = blob_folder(site_id, sha256)
    if (store := objects()) is not None:
        put_folder(store, prepared, target)
        return target
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    replaced = []
    while not _moved(prepared, target):
        replaced.append(set_aside(site_id, sha256))
    for old in replaced:
        if old is not None:
            shutil.rmtree(old, ignore_errors=True)
    return target


def set_aside(site_id: UUID, sha256: str) -> Path | None:
    """Move a kept folder out of its place, whole. Give its new one, or None if there was none."""
    kept = blob_folder(site_id, sha256)
    aside = preparing_folder() / f"aside-{secrets.token_hex(8)}"
    aside.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        os.utime(kept)  # those that lie aside for a day are swept
        kept.rename(aside)
    except FileNotFoundError:
        return None
    return aside


def put_back(aside: Path, site_id: UUID, sha256: str) -> bool:
    """Undo `set_aside`. False if another folder has taken the place."""
    return _moved(aside, blob_folder(site_id, sha256))


def _moved(folder: Path, target: Path) -> bool:
    try:
        folder.rename(target)
    except OSError as error:
        if error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
            raise
        return False
    return True
