"""Make a backup while the service runs: the database first, then what it names."""

import os
from pathlib import Path

from django.conf import settings
from django.db import connection
from django.utils import timezone

from screening import VERSION
from screening.backups.blobs import Copied, copy_blobs
from screening.backups.engines import engine
from screening.backups.errors import Refused, refuse_with_a_store
from screening.backups.files import keep, sum_of, whole_file
from screening.backups.manifest import (
    BLOBS,
    DATABASE,
    FORMAT,
    KEYS,
    LISTING,
    MANIFEST,
    SECRET,
    Manifest,
    read_manifest,
    write_manifest,
)
from screening.backups.snapshots import OURS, Snapshot
from screening.config import secret_file
from screening.studies.models import Image


def save(*, target: Path, since: Path | None = None, planes: bool = False) -> tuple[Manifest, Copied]:
    """Write a complete backup to a new folder. Cut off, it lacks its manifest and is none.

    Args:
        target: A folder that is not there yet, or is empty; the one above it exists.
        since: An older backup: blobs that have not changed are linked from it and take no room.
        planes: Whether to keep planes as well, which are made again from the sources where they are missing.

    Raises:
        Refused: nothing that counts as a backup was written.
    """
    refuse_with_a_store()
    engine().ready()
    _refuse_an_empty_database()
    _refuse_other_than_a_backup(since)
    _make(target)
    made_at = timezone.now().isoformat()
    database = DATABASE[connection.vendor]
    with whole_file(target / database) as temporary:
        snapshot = engine().dump(temporary)
    with whole_file(target / LISTING) as temporary, temporary.open("w") as listing:
        copied = copy_blobs(snapshot.blobs, target / BLOBS, listing, since=since, planes=planes)
    names = [database, LISTING, *_keep_keys(target)]
    os.sync()  # every copied blob, at once
    manifest = _manifest(snapshot, copied, target, names, made_at=made_at, planes=planes)
    write_manifest(target, manifest)
    return manifest, copied


def still_named(folders: list[str]) -> list[str]:
    """Of blob folders that were not there: those that pictures name now. The others were deleted meanwhile."""
    return [
        name
        for name in folders
        if Image.objects.filter(site_id=name.partition("/")[0], sha256=name.rpartition("/")[2]).exists()
    ]


def _refuse_an_empty_database() -> None:
    with connection.cursor() as cursor:
        if OURS not in connection.introspection.table_names(cursor):
            raise Refused(
                "no_database", "This database holds no installation.", "Check DATABASE_URL, or start the service once."
            )


def _refuse_other_than_a_backup(since: Path | None) -> None:
    if since is None:
        return
    manifest = read_manifest(since)
    if sum_of(since / LISTING) != manifest.files.get(LISTING):
        raise Refused("backup_damaged", f"{LISTING} of the older backup is not what was written.", "Leave --since out.")


def _make(target: Path) -> None:
    if (target / MANIFEST).exists():
        raise Refused("backup_exists", "There is a complete backup in this folder.", "Name a new one.")
    try:
        target.mkdir(mode=0o700, exist_ok=True)
    except FileNotFoundError:
        raise Refused(
            "no_folder", "The folder above this one does not exist.", "Make it, or mount the disk that holds it."
        ) from None
    except FileExistsError:
        raise Refused("target_taken", "This is a file.", "Name a new folder.") from None
    if any(target.iterdir()):
        raise Refused(
            "target_taken",
            "This folder is not empty.",
            "Name a new one. If it is a backup that was cut off, remove it.",
        )
    target.chmod(0o700)


def _keep_keys(target: Path) -> list[str]:
    names = []
    for key in sorted(Path(settings.KEY_ROOT).glob("*.key")):
        (target / KEYS).mkdir(exist_ok=True)
        keep(key, target / KEYS / key.name)
        names.append(f"{KEYS}/{key.name}")
    secret = secret_file(settings.CONFIG.state_dir)
    if secret.is_file():
        keep(secret, target / SECRET)
        names.append(SECRET)
    return names


def _manifest(
    snapshot: Snapshot, copied: Copied, target: Path, names: list[str], *, made_at: str, planes: bool
) -> Manifest:
    return Manifest(
        format=FORMAT,
        software=VERSION,
        made_at=made_at,
        vendor=connection.vendor,
        migrations=snapshot.migrations,
        rows=snapshot.rows,
        waiting=snapshot.waiting,
        files={name: sum_of(target / name) for name in names},
        blob_files=copied.files,
        blob_bytes=copied.bytes,
        planes=planes,
    )
