"""A site's pseudonym key: kept apart from the database, made at first use, backed up by the operator.

Losing it ends the matching of later studies with earlier ones; results stay.
"""

import os
import secrets
from pathlib import Path
from uuid import UUID

from django.conf import settings


def site_key(site_id: UUID) -> bytes:
    """The site's 32-byte key."""
    path = Path(settings.KEY_ROOT) / f"{site_id}.key"
    try:
        return path.read_bytes()
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return _make(path)


def _make(path: Path) -> bytes:
    key = secrets.token_bytes(32)
    temporary = path.with_suffix(f".{secrets.token_hex(4)}")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(key)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(temporary, path)  # the first of two makers wins
    except FileExistsError:
        key = path.read_bytes()
    finally:
        temporary.unlink()
    return key
