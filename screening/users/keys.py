"""A site's pseudonym key: kept apart from the database, made at first use, backed up by the operator.

A file under KEY_ROOT; where STORAGE_URL names a store, an object under `keys/` there, since workers on other hosts
need it, too. It is then in no file of theirs, and in their memory for some seconds.

Losing it ends the matching of later studies with earlier ones; results stay.
"""

import hashlib
import os
import secrets
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from uuid import UUID

from django.conf import settings

from screening.store.objects import Objects, objects

REMEMBERED_SECONDS: Final = 5.0  # of a key that lies in a store: every file that is decoded asks for it
_remembered: dict[UUID, tuple[float, bytes]] = {}


def site_key(site_id: UUID) -> bytes:
    """The site's 32-byte key."""
    if (store := objects()) is not None:
        return _far_key(store, site_id)
    path = _path(site_id)
    try:
        return path.read_bytes()
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return _make(path)


def kept_key(owner_id: UUID) -> bytes:
    """The key of a site, or of whatever else has one, without making it.

    Raises:
        FileNotFoundError: there is none.
    """
    if (store := objects()) is not None:
        return store.read(_object(owner_id))
    return _path(owner_id).read_bytes()


def forget_key(owner_id: UUID) -> None:
    """Delete a key."""
    if (store := objects()) is not None:
        _remembered.pop(owner_id, None)
        store.drop([_object(owner_id)])
        return
    _path(owner_id).unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class FreshKey:
    """A key that lies ready and is not in use yet."""

    key: bytes = field(repr=False)
    owner: UUID
    temporary: Path
    path: Path

    def take_over(self) -> None:
        """Put it in the place of the site's key, which is gone with that; nobody ever reads half of one.

        Raises:
            OSError: the old key stands.
            StoreAway: so it does where keys lie in a store.
        """
        if (store := objects()) is not None:
            store.put(_object(self.owner), self.key)
            _remembered.pop(self.owner, None)
            return
        self.temporary.replace(self.path)
        folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def discard(self) -> None:
        """Forget it."""
        self.temporary.unlink(missing_ok=True)


def fresh_key(site_id: UUID) -> FreshKey:
    """Write another key beside the site's own, durably, for `take_over`."""
    path = _path(site_id)
    if objects() is not None:  # it is put in its place in one step
        return FreshKey(secrets.token_bytes(32), site_id, path, path)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    key, temporary = _written(path)
    return FreshKey(key, site_id, temporary, path)


def fingerprint(key: bytes) -> str:
    """Name a key without telling it: two backups hold the same key if this is the same."""
    return hashlib.sha256(b"pseudonym key\0" + key).hexdigest()[:16]


def _path(owner_id: UUID) -> Path:
    return Path(settings.KEY_ROOT) / f"{owner_id}.key"


def _written(path: Path) -> tuple[bytes, Path]:
    key = secrets.token_bytes(32)
    temporary = path.with_suffix(f".{secrets.token_hex(4)}")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(key)
        file.flush()
        os.fsync(file.fileno())
    return key, temporary


def _make(path: Path) -> bytes:
    key, temporary = _written(path)
    try:
        os.link(temporary, path)  # the first of two makers wins
    except FileExistsError:
        key = path.read_bytes()
    finally:
        temporary.unlink()
    return key


def _object(owner_id: UUID) -> str:
    return f"keys/{owner_id}.key"


def _far_key(store: Objects, owner_id: UUID) -> bytes:
    """The key that lies in the store, made there if there is none: the first of two makers wins."""
    until, key = _remembered.get(owner_id, (0.0, b""))
    if time.monotonic() < until:
        return key
    try:
        key = store.read(_object(owner_id))
    except FileNotFoundError:
        store.put_first(_object(owner_id), secrets.token_bytes(32))
        key = store.read(_object(owner_id))  # what stands, whoever made it
    _remembered[owner_id] = (time.monotonic() + REMEMBERED_SECONDS, key)
    return key
