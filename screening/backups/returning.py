"""Put a backup back: everything is checked first, blobs and keys lie ready, the database comes last."""

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from django.conf import settings
from django.core.management import call_command
from django.db import DatabaseError, connection
from django.db.migrations.loader import MigrationLoader

from screening.backups.blobs import PutBack, put_back_blobs
from screening.backups.differences import Before, Difference, compare, compare_rows, look_before
from screening.backups.engines import engine
from screening.backups.errors import Refused, refuse_with_a_store
from screening.backups.files import whole_file
from screening.backups.manifest import BLOBS, DATABASE, KEYS, LISTING, SECRET, Manifest, check_files, read_manifest
from screening.backups.snapshots import OURS, ask, count
from screening.config import secret_file
from screening.flows.reclaim import reclaim_expired

SIGNS: Final = (OURS, "users_user", "uploads_upload", "audit_auditevent")  # where a used one has rows


@dataclass(frozen=True, slots=True)
class Returned:
    """What became of a backup."""

    blobs: PutBack
    reclaimed: int  # rows that workers held when the backup was made
    differences: list[Difference] = field(default_factory=list)


def check(source: Path) -> Manifest:
    """Read a backup through, and change nothing.

    Raises:
        Refused: it is no backup, was damaged, or belongs to another engine or a later version.
    """
    refuse_with_a_store()
    manifest = read_manifest(source)
    check_files(source, manifest)
    if manifest.vendor != connection.vendor:
        raise Refused(
            "other_database",
            f"This is a backup of {manifest.vendor}, and the configured database is {connection.vendor}.",
            "Set DATABASE_URL to a database of the same kind.",
        )
    known = MigrationLoader(None).disk_migrations
    if newer := sorted(f"{app}.{name}" for app, name in manifest.migrations.items() if (app, name) not in known):
        raise Refused(
            "backup_newer",
            f"Software {manifest.software} made this backup; this version does not know {', '.join(newer)}.",
            "Put it back with that version or a later one.",
        )
    return manifest


def put_back(source: Path, manifest: Manifest, *, replace: bool = False) -> Returned:
    """Put a checked backup in the place of what is here, and bring its database up to this version.

    The caller makes sure that no service runs. Cut off before the database is written, the same can be done again.

    Raises:
        Refused: something is here and `replace` was not said, or the database could not be written.
    """
    engine().ready()
    if _is_used() and not replace:
        raise Refused(
            "not_empty",
            "This database is in use: it has sites, people or uploads.",
            "Choose an empty one, or back it up first and say --replace: all that it holds is then gone.",
        )
    engine().refuse_company()
    others = [_difference_of(name) for name in manifest.keys if _is_other(source / name, _place(name))]
    if others and not replace:
        raise Refused(
            "other_key", "Another pseudonym key of the same site is here.", "Keep a copy of it, then say --replace."
        )
    before = look_before() if replace and _is_used() else Before()
    blobs = put_back_blobs(source / BLOBS, source / LISTING)
    os.sync()  # every blob, at once, before a row names it
    with _keys_ready(source, manifest):
        engine().load(source / DATABASE[manifest.vendor])
    connection.close()
    counted = list(compare_rows(manifest.rows, count(ask)))
    call_command("migrate", interactive=False, verbosity=0)
    damaged = [Difference("was damaged in the backup and is left out", path) for path in blobs.damaged]
    return Returned(blobs, _reclaim(), [*counted, *damaged, *others, *compare(before)])


def _is_used() -> bool:
    """Whether the database holds more than a fresh installation's tables.

    Raises:
        Refused: it belongs to something else.
    """
    try:
        with connection.cursor() as cursor:
            tables = set(connection.introspection.table_names(cursor))
        if tables and OURS not in tables:
            raise Refused("not_ours", "This database holds tables of something else.", "Check DATABASE_URL.")
        return any(ask(f"SELECT 1 FROM {table} LIMIT 1") for table in SIGNS if table in tables)  # noqa: S608 - ours
    except DatabaseError:  # one that cannot be read may be replaced, if that is said
        connection.close()
        return True


def _place(name: str) -> Path:
    if name == SECRET:
        return secret_file(settings.CONFIG.state_dir)
    return Path(settings.KEY_ROOT) / Path(name).name


def _is_other(kept: Path, here: Path) -> bool:
    return here.is_file() and here.read_bytes() != kept.read_bytes()


def _difference_of(name: str) -> Difference:
    return Difference("another pseudonym key was here and is replaced", f"site {Path(name).stem}")


@contextmanager
def _keys_ready(source: Path, manifest: Manifest) -> Iterator[None]:
    """Lay keys beside their places; they take them once the body has ended well."""
    with ExitStack() as stack:
        for name in manifest.files:
            if name == SECRET or name.startswith(f"{KEYS}/"):
                place = _place(name)
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source / name, stack.enter_context(whole_file(place)))
        yield


def _reclaim() -> int:
    """Free what workers held when the backup was made: none of them is alive. How many rows."""
    freed = 0
    while some := reclaim_expired():
        freed += some
    return freed
