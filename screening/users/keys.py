"""A site's pseudonym key: kept apart from the database, made at first use, backed up by the operator.

Losing it ends the matching of later studies with earlier ones; results stay.
"""

import hashlib
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from django.conf import settings


def site_key(site_id: UUID) -> bytes:
    """The site's 32-byte key."""
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
    return _path(owner_id).read_bytes()


def forget_key(owner_id: UUID) -> None:
    """Delete a key."""
    _path(owner_id).unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class FreshKey:
    """A key that lies ready and is not in use yet."""

    key: bytes = field(repr=False)
    temporary: Path
    path: Path

    def take_over(self) -> None:
        """Put it in the place of the site's key, which is gone with that; nobody ever reads half of one.

        Raises:
            OSError: the old key stands.
        """
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
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    key, temporary = _written(path)
    return FreshKey(key, temporary, path)


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
