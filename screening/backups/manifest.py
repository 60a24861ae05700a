"""`manifest.json`: what a backup holds. Written last: a folder without it is no backup.

It carries its own SHA-256, and is accepted only in the form in which it is written, byte by byte.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from screening.backups.errors import Refused
from screening.backups.files import Sum, sum_of, whole_file

MANIFEST: Final = "manifest.json"
DATABASE: Final = {"sqlite": "database.sqlite3", "postgresql": "database.dump"}
LISTING: Final = "blobs.txt"
SECRET: Final = "secret_key"  # noqa: S105 - the name of a file
KEYS: Final = "keys"
BLOBS: Final = "blobs"
FORMAT: Final = 1
KNOWN: Final = re.compile(r"database\.(sqlite3|dump)|blobs\.txt|secret_key|keys/[0-9a-f-]{36}\.key")


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What was backed up, when, and by which version of the software."""

    format: int
    software: str
    made_at: str  # ISO 8601, UTC: what was committed before it is in the backup
    vendor: str  # sqlite or postgresql
    migrations: Mapping[str, str]  # the last one of each app
    rows: Mapping[str, int]  # of the tables that matter
    waiting: int  # files and zips whose bytes were under incoming/, which is in no backup
    files: Mapping[str, Sum]  # every file but the blobs and this one
    blob_files: int
    blob_bytes: int
    planes: bool

    @property
    def keys(self) -> list[str]:
        return [name for name in self.files if name.startswith(f"{KEYS}/")]


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Make a backup count."""
    with whole_file(folder / MANIFEST) as temporary:
        temporary.write_bytes(_render(asdict(manifest)))


def read_manifest(folder: Path) -> Manifest:
    """Give what a complete backup says of itself.

    Raises:
        Refused: it is no complete backup, it was changed, or a later version of the software made it.
    """
    try:
        content = (folder / MANIFEST).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise Refused(
            "no_backup",
            f"There is no complete backup here: {MANIFEST}, which is written last, is missing.",
            "Take another one; this one was cut off.",
        ) from None
    try:
        body = json.loads(content)
        del body["sha256"]
        if _render(body) != content:
            raise ValueError  # noqa: TRY301 - one answer to every kind of damage
        if body["format"] != FORMAT:
            raise _unknown_format()
        files = {name: Sum(*told) for name, told in body.pop("files").items()}
        return Manifest(files=files, **body)
    except (ValueError, KeyError, TypeError):
        raise _damaged(MANIFEST) from None


def check_files(folder: Path, manifest: Manifest) -> None:
    """Read every file that the manifest names.

    Raises:
        Refused: one is missing or differs, or is none that a backup holds.
    """
    for name, told in manifest.files.items():
        path = folder / name
        if not KNOWN.fullmatch(name) or not path.is_file() or sum_of(path) != told:
            raise _damaged(name)


def _render(body: dict[str, Any]) -> bytes:
    plain = json.dumps(body, sort_keys=True)
    full = {**body, "sha256": hashlib.sha256(plain.encode()).hexdigest()}
    return json.dumps(full, sort_keys=True, indent=1).encode() + b"\n"


def _damaged(name: str) -> Refused:
    return Refused(
        "backup_damaged", f"{name} is not what was written when the backup was made.", "Take another backup."
    )


def _unknown_format() -> Refused:
    return Refused(
        "backup_newer", "A later version of the software wrote this backup.", "Put it back with that version."
    )
